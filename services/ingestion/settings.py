"""What an operator can set; the names of the variables are these in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    nats_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    mongo_database: str = "ingestion"
    grpc_address: str = "127.0.0.1:50051"
    http_address: str = "127.0.0.1:8080"
    health_address: str = ""
    jwks_url: str = "http://directory:8080/.well-known/jwks.json"
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: str = "uvloop"
    directory_address: str = "directory:50051"
    conversations_address: str = "conversations:50051"
    dispatch_address: str = "dispatch:50051"
    service_secret: str = field(default="", repr=False)
    """What the directory gives us a service token for."""

    allow_private_callbacks: bool = False
    """Whether replies may be posted into private networks: for evaluation and tests only."""
    calls_per_account: int = 8
    """Call-backs of one account that a replica has under way at once."""
    webchat_account_rate: float = 50.0
    """Messages a second, of all visitors of an account, per replica.

    As many sessions, and as many questions how long it will take, come on top."""
    webchat_account_burst: int = 100
    webchat_client_rate: float = 10.0
    """Messages a second of one client to an account, per replica; and so many questions.

    A client is an IPv4 address or an IPv6 /64. It has less than the account, or could use it up."""
    webchat_client_burst: int = 50
    webchat_session_rate: float = 2.0
    """Sessions a second of one client with an account, per replica."""
    webchat_session_burst: int = 30
    webchat_visitor_rate: float = 1.0
    """Messages a second of one visitor, per replica; and so many questions."""
    webchat_visitor_burst: int = 10
    webchat_keep_alive: timedelta = timedelta(seconds=15)
    """After this long without a reply a visitor's stream gets a sign of life."""
