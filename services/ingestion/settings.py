"""What the environment says; the names in upper case."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    """`allow_private_callbacks` lets replies be posted into private networks: standalone only.

    Rates are per replica: of an account's visitors together, and of one visitor.
    """

    nats_url: str = field(default="nats://127.0.0.1:4222", repr=False)
    mongo_url: str = field(default="mongodb://127.0.0.1:27017", repr=False)
    grpc_address: str = "0.0.0.0:50051"
    http_address: str = "0.0.0.0:8080"
    health_address: str = ""
    jwks_url: str = "http://directory:8080/.well-known/jwks.json"
    token_issuer: str = "centralita"  # noqa: S105 (a name)
    directory_address: str = "directory:50051"
    service_secret: str = field(default="", repr=False)
    allow_private_callbacks: bool = False
    calls_per_account: int = 8
    webchat_account_rate: float = 50.0
    webchat_account_burst: int = 100
    webchat_visitor_rate: float = 1.0
    webchat_visitor_burst: int = 10
    webchat_keep_alive: timedelta = timedelta(seconds=15)
