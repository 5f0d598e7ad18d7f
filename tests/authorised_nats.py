"""A NATS server with the accounts of an installation, and the plain protocol to try them with."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from services.standalone.secrets import kept_secrets
from services.standalone.servers import bus

_REFUSED = re.compile(rb"-ERR 'Permissions Violation for (?:Publish|Subscription) to \"(.*)\"'")


@dataclass(frozen=True)
class AuthorisedNats:
    """What deploy/nats makes of a server. `url` is one user's."""

    urls: dict[str, str]

    async def refused(self, user: str, verb: str, subjects: Sequence[str]) -> set[str]:
        """Return the subjects that the server does not let a user PUB or SUB."""
        address = urlsplit(self.urls[user])
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        login = {
            "user": address.username,
            "pass": address.password,
            "verbose": False,
            "pedantic": False,
        }
        writer.write(b"CONNECT " + json.dumps(login).encode() + b"\r\n")
        for number, subject in enumerate(subjects):
            order = f"PUB {subject} 0\r\n\r\n" if verb == "PUB" else f"SUB {subject} {number}\r\n"
            writer.write(order.encode())
        writer.write(b"PING\r\n")
        found: set[str] = set()
        try:
            async with asyncio.timeout(20):
                while (line := await reader.readline()) != b"PONG\r\n":
                    if no := _REFUSED.match(line):
                        found.add(no[1].decode())
                    else:
                        assert line.startswith((b"INFO", b"MSG", b"HMSG", b"\r\n", b"{")), line
        finally:
            writer.close()
        return found


@asynccontextmanager
async def authorised_nats(home: Path) -> AsyncIterator[AuthorisedNats]:
    """Run the server as `make run` does, without streams."""
    secrets = kept_secrets(home / "secrets.json")
    store = home / "nats"
    store.mkdir()
    async with bus("", store, home / "nats.log", secrets) as url_of:
        yield AuthorisedNats({user: url_of(user) for user in secrets.nats})
