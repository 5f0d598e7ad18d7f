"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from services.kernel.env import Address, Between, EventLoop, NatsUrl, OptionalAddress, WebUrl


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    grpc_address: Address = "127.0.0.1:50051"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"

    settled_after: timedelta = timedelta(seconds=5)
    """A replica must have been there for so long before shards are moved to it."""
    shards: Annotated[int, Between(1, 64)] = 4
    """Fixed for the life of an installation, which writes it down: it decides which shard a tenant
    belongs to. No more replicas than this have something to lead."""
