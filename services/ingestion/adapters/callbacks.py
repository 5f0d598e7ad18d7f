"""POST to an address that a tenant typed in: bounded, pinned, and never into our own network."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.ingestion.domain.delivery import Final, Retry
from services.kernel.clock import Clock

TIMEOUT = timedelta(seconds=10)
LONGEST_WISH = timedelta(hours=1)
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Callback:
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Callbacks:
    """One POST at a time; what the answer means is raised as Retry or Final."""

    def __init__(
        self, session: aiohttp.ClientSession, clock: Clock, *, allow_private: bool
    ) -> None:
        self._session = session
        self._clock = clock
        self._allow_private = allow_private

    async def post(self, callback: Callback) -> None:
        """Return when the other side took it (2xx)."""
        url = self._url(callback.url)
        try:
            async with self._session.post(
                url, data=callback.body, headers=callback.headers, allow_redirects=False
            ) as answer:
                self._judge(answer.status, answer.headers.get("Retry-After", ""))
        except AddressRefused as private:
            raise Final("CALLBACK_ADDRESS_REFUSED") from private
        except aiohttp.InvalidURL as wrong:
            raise Final("CALLBACK_URL_INVALID") from wrong
        except TimeoutError as slow:
            raise Retry("CHANNEL_TIMEOUT", pause_account=True) from slow
        except (aiohttp.ClientError, OSError) as broken:
            raise Retry("CHANNEL_UNREACHABLE", pause_account=True) from broken

    def _url(self, text: str) -> URL:
        try:
            url = URL(text)
        except ValueError as wrong:
            raise Final("CALLBACK_URL_INVALID") from wrong
        if url.scheme not in {"http", "https"} or not url.host:
            raise Final("CALLBACK_URL_INVALID")
        # A literal address never reaches the resolver.
        if not self._allow_private and _is_address(url.host) and not is_public(url.host):
            raise Final("CALLBACK_ADDRESS_REFUSED")
        return url

    def _judge(self, status: int, wish: str) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if status in _BUSY:
            after = retry_after(wish, self._clock())
            raise Retry("CHANNEL_BUSY", after=after, pause_account=True)
        if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Retry("CHANNEL_ERROR")
        raise Final("REFUSED_BY_CHANNEL")


class AddressRefused(Exception):
    """The name leads into a private network."""


class PublicOnly(AbstractResolver):
    """Resolves once; the connection goes to what was checked, whatever DNS says next."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [one for one in found if is_public(one["host"])]
        if found and not public:
            raise AddressRefused
        return public

    async def close(self) -> None:
        await self._inner.close()


@asynccontextmanager
async def callbacks(clock: Clock, *, allow_private: bool) -> AsyncIterator[Callbacks]:
    resolver: AbstractResolver = aiohttp.ThreadedResolver()
    if not allow_private:
        resolver = PublicOnly(resolver)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=256),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT.total_seconds()),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "Centralita"},
        auto_decompress=False,
    ) as session:
        yield Callbacks(session, clock, allow_private=allow_private)
    # Closed transports leave the loop on its next turn.
    await asyncio.sleep(0)


def is_public(host: str) -> bool:
    """Whether an address belongs to the internet, however it is dressed."""
    address: Any = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return False
        address = inner or address
    return bool(address.is_global) and not address.is_multicast


def retry_after(text: str, now: datetime) -> timedelta | None:
    """Read Retry-After, seconds or a date, as a delay of at most LONGEST_WISH; None if unclear."""
    try:
        if text.isascii() and text.isdigit():
            delay = timedelta(seconds=min(int(text[:9]), LONGEST_WISH.total_seconds()))
        else:
            at = parsedate_to_datetime(text)
            delay = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(delay, timedelta(0)), LONGEST_WISH)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
