"""What an operator can set; the names of the variables are these in upper case."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from services.kernel.env import (
    SHORTEST_SECRET,
    Address,
    Between,
    EventLoop,
    File,
    Misconfigured,
    MongoUrl,
    NatsUrl,
    OptionalAddress,
    WebUrl,
)

from .domain.errors import FieldInvalid
from .domain.fields import slug


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    mongo_url: MongoUrl = field(repr=False)
    mongo_database: str = "directory"
    grpc_address: Address = "127.0.0.1:50051"
    http_address: Address = "127.0.0.1:8080"
    health_address: OptionalAddress = ""
    jwks_url: WebUrl = ""
    """Key set of the issuer that signs users in instead of us. Empty: our own keys."""
    issuer: str = "centralita"
    audience: str = "centralita"
    event_loop: EventLoop = "uvloop"
    dispatch_address: Address = "dispatch:50051"
    conversations_address: Address = "conversations:50051"

    seed_file: File = ""
    """TOML with tenants that are created where they are missing. Empty: none."""
    service_secrets: tuple[str, ...] = field(default=(), repr=False)
    """name=secret of every service that calls others; at least 16 characters each."""
    key_encryption_key: str = field(default="", repr=False)
    """32 bytes in base64; seals signing keys and channel secrets at rest. Empty: stored plain."""

    access_token_lifetime: timedelta = timedelta(minutes=15)
    """How long an access token lives. Who is removed or signs out is refused at once anyway."""
    session_idle: timedelta = timedelta(hours=12)
    """A sign-in that is not refreshed for so long has ended."""
    session_longest: timedelta = timedelta(days=7)
    """A sign-in ends after so long, however often it was refreshed."""
    secret_overlap: timedelta = timedelta(hours=24)
    """How long a channel account's old secret is accepted beside its new one."""
    key_lifetime: timedelta = timedelta(days=30)
    """How long a key signs tokens before the next one does."""
    key_lead: timedelta = timedelta(hours=1)
    """A key is in the key set for so long before it signs."""
    key_check: timedelta = timedelta(seconds=60)
    """How often it is looked whether a new key is due."""

    password_passes: Annotated[int, Between(1, 100)] = 2
    """Argon2id: passes over the memory, for each password."""
    password_memory_kib: Annotated[int, Between(8 * 1024, 1024 * 1024)] = 32 * 1024
    """Argon2id: KiB that each password takes while it is checked."""
    password_threads: Annotated[int, Between(1, 64)] = 2
    """Passwords that are checked at once; the others wait."""


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
