"""What an operator can set."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    nats_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    jwks_url: str
    mongo_database: str = "presence"
    grpc_address: str = "127.0.0.1:50051"
    health_address: str = ""
    issuer: str = "centralita"
    audience: str = "centralita"

    lease_seconds: timedelta = timedelta(seconds=15)
    """A device that is silent for so long is gone; it is noticed within a second more."""
    keep_choice: timedelta = timedelta(seconds=60)
    """Who comes back sooner is as ready as they were; later they are Online until they choose."""
