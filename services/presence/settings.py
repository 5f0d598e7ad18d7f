"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta

from services.kernel.env import Address, EventLoop, MongoUrl, NatsUrl, OptionalAddress, WebUrl


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    mongo_url: MongoUrl = field(repr=False)
    mongo_database: str = "presence"
    grpc_address: Address = "127.0.0.1:50051"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"

    lease_seconds: timedelta = timedelta(seconds=20)
    """A device that is silent for so long is gone; it is noticed within a second more."""
    keep_choice: timedelta = timedelta(seconds=60)
    """Who comes back sooner is as ready as they were; later they are Online until they choose."""
