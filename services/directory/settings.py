"""What an operator can set; the names of the variables are these in upper case."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from services.kernel.env import Misconfigured

from .domain.errors import FieldInvalid
from .domain.fields import slug

SHORTEST_SECRET = 16


@dataclass(frozen=True)
class Settings:
    nats_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    mongo_database: str = "directory"
    grpc_address: str = "127.0.0.1:50051"
    http_address: str = "127.0.0.1:8080"
    health_address: str = ""
    jwks_url: str = ""
    """Key set of the issuer that signs users in instead of us. Empty: our own keys."""
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: str = "uvloop"

    seed_file: str = ""
    """TOML with tenants that are created where they are missing. Empty: none."""
    service_secrets: tuple[str, ...] = field(default=(), repr=False)
    """name=secret of every service that calls others; at least 16 characters each."""
    key_encryption_key: str = field(default="", repr=False)
    """32 bytes in base64; seals signing keys and channel secrets at rest. Empty: stored plain."""

    access_token_lifetime: timedelta = timedelta(minutes=15)
    session_idle: timedelta = timedelta(hours=12)
    session_longest: timedelta = timedelta(days=7)
    secret_overlap: timedelta = timedelta(hours=24)
    key_lifetime: timedelta = timedelta(days=30)
    key_lead: timedelta = timedelta(hours=1)
    key_check: timedelta = timedelta(seconds=60)

    password_passes: int = 2
    password_memory_kib: int = 32 * 1024
    password_threads: int = 2


def service_secrets(settings: Settings) -> Mapping[str, str]:
    """Return the secret of each service, or raise Misconfigured without showing any."""
    known: dict[str, str] = {}
    for pair in settings.service_secrets:
        name, _, secret = pair.partition("=")
        try:
            slug("service", name)
        except FieldInvalid:
            secret = ""
        if len(secret) < SHORTEST_SECRET or name in known:
            raise Misconfigured(
                {"SERVICE_SECRETS": "must be name=secret, ... with 16 or more characters each"}
            )
        known[name] = secret
    return known
