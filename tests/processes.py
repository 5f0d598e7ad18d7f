"""Services as processes of their own, as an operator runs them."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from services.standalone.servers import free_port
from tests.servers import ServerProcess

ROOT = Path(__file__).resolve().parents[1]


class ServiceProcess(ServerProcess):
    """`python -m services.<name>`, ready when it says so."""

    def __init__(self, home: Path, name: str, environment: Mapping[str, str]) -> None:
        super().__init__(home / name, name)
        self.name = name
        self.grpc = f"127.0.0.1:{free_port()}"
        self._health = f"127.0.0.1:{free_port()}"
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}",
            **environment,
            "GRPC_ADDRESS": self.grpc,
            "HEALTH_ADDRESS": self._health,
        }

    def command(self) -> list[str]:
        return [sys.executable, "-m", f"services.{self.name}"]

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._health}/readyz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
            return False
