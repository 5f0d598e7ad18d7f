"""What can be set when everything runs on one machine; the names of the variables in upper case."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from services.kernel.env import Between, EventLoop, MongoUrl, NatsUrl, OptionalAddress, Port


@dataclass(frozen=True)
class Settings:
    port: Port = 8080
    """Where the edge listens, on the loopback interface only."""
    var_dir: Path = Path("var")
    """All data, secrets and logs."""
    trusted_hops: Annotated[int, Between(0, 9)] = 0
    """Proxies in front of the edge that append to X-Forwarded-For."""
    nats_url: NatsUrl = field(default="", repr=False)
    """A NATS server to use instead of starting one."""
    mongo_url: MongoUrl = field(default="", repr=False)
    """A MongoDB replica set to use instead of starting a store."""
    health_address: OptionalAddress = ""
    event_loop: EventLoop = "uvloop"
