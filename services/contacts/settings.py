"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field

from services.kernel.env import Address, EventLoop, MongoUrl, NatsUrl, OptionalAddress, WebUrl


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    mongo_url: MongoUrl = field(repr=False)
    mongo_database: str = "contacts"
    grpc_address: Address = "127.0.0.1:50051"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"
