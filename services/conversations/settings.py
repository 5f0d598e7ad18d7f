"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta

from services.kernel.env import (
    Address,
    EventLoop,
    MongoUrl,
    NatsUrl,
    OptionalAddress,
    Secret,
    WebUrl,
)


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    mongo_url: MongoUrl = field(repr=False)
    mongo_database: str = "conversations"
    grpc_address: Address = "127.0.0.1:50051"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"
    directory_address: Address = "directory:50051"
    contacts_address: Address = "contacts:50051"
    dispatch_address: Address = "dispatch:50051"
    reconcile_every: timedelta = timedelta(minutes=1)
    """Between two comparisons of open conversations with the router's tasks."""
    reconcile_after: timedelta = timedelta(minutes=1)
    """How long what one of them has told is on its way to the other without being missed."""
    service_secret: Secret = field(kw_only=True, repr=False)
    """What the directory gives us a service token for."""
