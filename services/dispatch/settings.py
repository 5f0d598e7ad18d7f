"""What dispatch is told by its environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    nats_url: str = "nats://127.0.0.1:4222"
    jwks_url: str = "http://127.0.0.1:8081/.well-known/jwks.json"
    issuer: str = "centralita"
    grpc_address: str = "127.0.0.1:0"
    health_address: str = ""
    shards: int = 4
    """Fixed for the life of an installation: it decides which shard a tenant belongs to."""
    event_loop: str = "uvloop"
