"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    nats_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    mongo_database: str = "conversations"
    grpc_address: str = "127.0.0.1:50051"
    health_address: str = ""
    jwks_url: str = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: str = "uvloop"
    directory_address: str = "directory:50051"
    contacts_address: str = "contacts:50051"
    dispatch_address: str = "dispatch:50051"
    reconcile_every: timedelta = timedelta(minutes=1)
    """Between two comparisons of open conversations with the router's tasks."""
    reconcile_after: timedelta = timedelta(minutes=1)
    """How long what one of them has told is on its way to the other without being missed."""
    service_secret: str = field(default="", repr=False)
    """What the directory gives us a service token for."""
