"""What can be set when everything runs on one machine; the names of the variables in upper case."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    port: int = 8080
    """Where the edge listens, on the loopback interface only."""
    var_dir: Path = Path("var")
    """All data, secrets and logs."""
    trusted_hops: int = 0
    """Proxies in front of the edge that append to X-Forwarded-For."""
    nats_url: str = field(default="", repr=False)
    """A NATS server to use instead of starting one."""
    mongo_url: str = field(default="", repr=False)
    """A MongoDB replica set to use instead of starting a store."""
    health_address: str = ""
    event_loop: str = "uvloop"
