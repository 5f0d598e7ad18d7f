"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    nats_url: str = field(repr=False)
    grpc_address: str = "127.0.0.1:50051"
    health_address: str = ""
    jwks_url: str = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: str = "uvloop"

    settled_after: timedelta = timedelta(seconds=5)
    """A replica must have been there for so long before shards are moved to it."""
    shards: int = 4
    """Fixed for the life of an installation, which writes it down: it decides which shard a tenant
    belongs to. No more replicas than this have something to lead."""
