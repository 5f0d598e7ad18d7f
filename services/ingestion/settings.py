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
    mongo_database: str = "ingestion"
    grpc_address: Address = "127.0.0.1:50051"
    http_address: Address = "127.0.0.1:8080"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"
    directory_address: Address = "directory:50051"
    conversations_address: Address = "conversations:50051"
    dispatch_address: Address = "dispatch:50051"
    service_secret: Secret = field(kw_only=True, repr=False)
    """What the directory gives us a service token for."""

    allow_private_callbacks: bool = False
    """Whether replies may be posted into private networks: for evaluation and tests only."""
    calls_per_account: int = 8
    """Call-backs of one account that a replica has under way at once."""
    webchat_account_rate: float = 50.0
    """Messages a second, of all visitors of an account, per replica.

    As many sessions, and as many questions how long it will take, come on top."""
    webchat_account_burst: int = 100
    """As many may come at once before that rate holds."""
    webchat_client_rate: float = 10.0
    """Messages a second of one client to an account, per replica; and so many questions.

    A client is an IPv4 address or an IPv6 /64. It has less than the account, or could use it up."""
    webchat_client_burst: int = 50
    """As many may come at once before that rate holds."""
    webchat_session_rate: float = 2.0
    """Sessions a second of one client with an account, per replica."""
    webchat_session_burst: int = 30
    """As many may come at once before that rate holds."""
    webchat_visitor_rate: float = 1.0
    """Messages a second of one visitor, per replica; and so many questions."""
    webchat_visitor_burst: int = 10
    """As many may come at once before that rate holds."""
    webchat_keep_alive: timedelta = timedelta(seconds=15)
    """After this long without a reply a visitor's stream gets a sign of life."""
