"""Secrets of this one installation: made at the first start, kept in its directory."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

NATS_USERS = (
    "streams",
    "dead-letters",
    "directory",
    "ingestion",
    "contacts",
    "conversations",
    "presence",
    "dispatch",
    "workspace",
    "connector",
)
CALLERS = ("ingestion", "conversations")
"""Services that call others, and sign in with a secret to do so."""


@dataclass(frozen=True)
class Secrets:
    nats: dict[str, str]
    services: dict[str, str]
    key_encryption_key: str

    def nats_passwords(self) -> dict[str, str]:
        """Return the variables that deploy/nats/accounts.conf reads."""
        return {
            f"NATS_{user.upper().replace('-', '_')}_PASSWORD": password
            for user, password in self.nats.items()
        }

    def service_secrets(self) -> str:
        return ",".join(f"{name}={secret}" for name, secret in self.services.items())


def kept_secrets(path: Path) -> Secrets:
    """Read the secrets, or make those that are missing."""
    known = json.loads(path.read_text()) if path.exists() else {}
    nats, services = known.get("nats", {}), known.get("services", {})
    it = Secrets(
        nats={user: nats.get(user) or _word() for user in NATS_USERS},
        services={name: services.get(name) or _word() for name in CALLERS},
        key_encryption_key=known.get("key_encryption_key")
        or base64.b64encode(secrets.token_bytes(32)).decode(),
    )
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - Path.open has no mode for the new file
        json.dump(asdict(it), file, indent=1)
    new.replace(path)
    return it


def _word() -> str:
    return "s" + secrets.token_hex(24)  # begins with a letter: see deploy/nats/accounts.conf
