"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    nats_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    mongo_database: str = "presence"
    grpc_address: str = "127.0.0.1:50051"
    health_address: str = ""
    jwks_url: str = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: str = "uvloop"

    lease_seconds: timedelta = timedelta(seconds=20)
    """A device that is silent for so long is gone; it is noticed within a second more."""
    keep_choice: timedelta = timedelta(seconds=60)
    """Who comes back sooner is as ready as they were; later they are Online until they choose."""
