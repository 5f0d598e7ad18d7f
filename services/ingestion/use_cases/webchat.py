"""The chat of a visitor of a web page: a token, and the replies in order, without a gap."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from services.ingestion.domain import visitor as tokens
from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.errors import ChannelAccountNotFound, OriginRefused
from services.ingestion.domain.visitor import Pass, Visitor
from services.kernel.clock import Clock
from services.kernel.ids import new_id

from .accept import Accounts, Throttle


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as the visitor's page reads it. `position` rises within the visitor's chat."""

    message_id: str
    position: int
    text: str = field(repr=False)
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    visitor_id: str
    token: str = field(repr=False)
    expires_at: datetime


class Replies(Protocol):
    async def after(self, visitor: Visitor, position: int, limit: int) -> Sequence[StoredReply]:
        """The next replies past a position, oldest first."""


class Bell(Protocol):
    async def wait(self) -> None:
        """Return when something may have come, or after a while anyway."""


class Bells(Protocol):
    def hung(self, visitor: Visitor, client: str) -> AbstractContextManager[Bell]:
        """A bell that rings for one visitor; it remembers a ring that nobody waited for.

        Raises RateLimited when the visitor, or the client, has too many already.
        """


class Sessions:
    """Let visitors in, and know them again."""

    def __init__(self, accounts: Accounts, clock: Clock, throttle: Throttle) -> None:
        self._accounts = accounts
        self._clock = clock
        self._throttle = throttle

    async def account(self, key: tuple[str, str], origin: str, host: str) -> ChannelAccount:
        """Return the account if a page of `origin` may carry the widget, else OriginRefused.

        No origin means that no browser crossed sites; a page of our own `host` is never foreign.
        """
        account = await self._accounts.get(*key)
        if account.channel is not Channel.WEBCHAT:
            raise ChannelAccountNotFound
        allowed = not origin or urlsplit(origin).netloc == host
        if not allowed and not {origin, "*"} & set(account.allowed_origins):
            raise OriginRefused("Add the page's origin to the allowed origins of the account.")
        return account

    def open(self, account: ChannelAccount, client: str, old_token: str) -> Session:
        """Begin as a new visitor, or go on as the one that `old_token` names."""
        now = self._clock()
        self._throttle.take(account, client, "")
        if not account.secrets:
            raise ChannelAccountNotFound
        if old_token:
            lifetime = tokens.RENEWABLE
            visitor = tokens.verify(old_token, account.key, account.secrets, now, lifetime).visitor
        else:
            visitor = Visitor(*account.key, new_id())
        token = tokens.issue(visitor, account.secrets[0], now)
        return Session(visitor.visitor_id, token, now + tokens.LIFETIME)

    def recognise(self, account: ChannelAccount, token: str) -> Pass:
        return tokens.verify(token, account.key, account.secrets, self._clock())


class ReadReplies:
    """What agents wrote to a visitor, once and live."""

    PAGE = 100

    def __init__(self, replies: Replies, bells: Bells, clock: Clock) -> None:
        self._replies = replies
        self._bells = bells
        self._clock = clock

    async def page(self, visitor: Visitor, after: int) -> Sequence[StoredReply]:
        return await self._replies.after(visitor, after, self.PAGE)

    async def follow(
        self, seen: Pass, client: str, after: int
    ) -> AsyncGenerator[Sequence[StoredReply], None]:
        """Yield what there is, then what comes, until the token ends. An empty batch: still alive.

        The bell only wakes: what is read decides, so a lost ring costs time, not a reply.
        """
        with self._bells.hung(seen.visitor, client) as bell:
            while self._clock() < seen.expires_at:
                batch = await self._replies.after(seen.visitor, after, self.PAGE)
                if batch:
                    after = batch[-1].position
                yield batch
                if len(batch) < self.PAGE:
                    await bell.wait()
