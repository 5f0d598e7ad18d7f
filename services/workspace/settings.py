"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta

from services.kernel.env import Address, EventLoop, NatsUrl, OptionalAddress, WebUrl


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    grpc_address: Address = "127.0.0.1:50051"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"

    replay_changes: int = 20_000
    """Changes of all tenants kept in memory; a client that missed more gets a snapshot."""
    watch_buffer: int = 2_000
    """Frames that may wait for one slow client before its stream is ended."""
    watch_quiet: timedelta = timedelta(seconds=12)
    """After this long without a frame a stream gets a sign of life. The contract says 15 s."""
