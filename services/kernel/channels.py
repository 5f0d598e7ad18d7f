"""Calls to other services have a deadline, are repeated where that is safe, and say who asks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from .asking import Asking, Token, Watching

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # All replicas behind one name get their share.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)


class ServiceToken:
    """The token this service calls others with; asked for when first needed.

    Renewed when 80 % of its life has passed, by one of its users while the others go on with
    the old one. An error of the directory passes through as it is.
    """

    def __init__(
        self,
        directory_address: str,
        service: str,
        secret: str,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory_address
        self._service = service
        self._secret = secret
        self._now = now
        self._token = ""
        self._renew_at = self._ends_at = float("-inf")
        self._asking = asyncio.Lock()

    async def get(self) -> str:
        if self._now() < self._renew_at:
            return self._token
        if self._now() < self._ends_at and self._asking.locked():
            return self._token
        async with self._asking:
            if self._now() >= self._renew_at:
                try:
                    await self._ask()
                except grpc.aio.AioRpcError:
                    if self._now() >= self._ends_at:
                        raise
            return self._token

    def forget(self, token: str) -> None:
        """Ask again next time, because this token was refused; a newer one is kept."""
        if token == self._token:
            self._renew_at = self._ends_at = float("-inf")

    async def _ask(self) -> None:
        from centralita.directory.v1.session_service_pb2 import (  # noqa: PLC0415 - few need it
            IssueServiceTokenRequest,
        )
        from centralita.directory.v1.session_service_pb2_grpc import (  # noqa: PLC0415 - likewise
            SessionServiceStub,
        )

        asked = self._now()
        async with channel(self._directory) as directory:
            request = IssueServiceTokenRequest(service=self._service, secret=self._secret)
            issued = await SessionServiceStub(directory).IssueServiceToken(request)
        life = issued.expires_in.ToTimedelta().total_seconds()
        self._token = issued.access_token
        self._renew_at, self._ends_at = asked + 0.8 * life, asked + life


@asynccontextmanager
async def channel(address: str, *, token: Token | None = None) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to host:port. Connects when first used and reconnects by itself.

    A method is repeated on UNAVAILABLE when its proto says that is safe: it is a GET, it carries
    a request_id, or it is for services only. Streams are never repeated.
    """
    interceptors = [Asking(token), Watching(token)]
    opened = grpc.aio.insecure_channel(address, options=OPTIONS, interceptors=interceptors)
    try:
        yield opened
    finally:
        await opened.close()
