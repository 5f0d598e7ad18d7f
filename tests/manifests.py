"""What `kubectl kustomize` makes of k8s/: read once, asked often."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
KUBECTL = Path(sys.executable).with_name("kubectl")


def built() -> list[str]:
    """Every overlay, and every combination that must build."""
    return sorted(
        str(path.parent.relative_to(ROOT))
        for top in ("overlays", "tests")
        for path in (ROOT / "k8s" / top).glob("*/kustomization.yaml")
    )


@cache
def rendered(path: str) -> list[dict[str, Any]]:
    """Return the objects that a directory of k8s/ stands for."""
    done = subprocess.run(
        [KUBECTL, "kustomize", ROOT / path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))
