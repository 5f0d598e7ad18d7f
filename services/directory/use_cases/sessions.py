"""Signing in: people with passwords, services with secrets."""

import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.directory.domain.errors import (
    FieldInvalid,
    ServiceSecretRefused,
    SessionEnded,
    SignInRefused,
    SignInThrottled,
    Stale,
)
from services.directory.domain.sign_in import (
    FREE_FAILURES,
    FREE_OF_SOURCE,
    FREE_SOURCES,
    Session,
)
from services.directory.domain.slot import Slot
from services.directory.domain.user import PASSWORD_LENGTH, Password, Role, User
from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.kernel.turns import Turns

from .ports import AccessToken, AttemptLog, Passwords, Sessions, Tokens, Users

LONGEST_TOKEN = 200
"""Characters; ours have 66."""


A_MOMENT = timedelta(seconds=1)
"""After so long whoever came in a crowd tries again."""
AT_ONCE = 4
"""Passwords of one source that a process looks at at once: enough for both threads of Argon2, and
all that guesses made at once can be ahead of what is counted. Whoever comes meanwhile waits."""


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    idle: timedelta
    """A session not refreshed for this long has ended."""
    longest: timedelta
    """A session ends after this long, refreshed or not."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    access: AccessToken
    refresh_token: str
    user_id: str
    role: Role


class OpenSession:
    """What follows a proof of identity: a session, and tokens for it."""

    def __init__(
        self, sessions: Sessions, tokens: Tokens, clock: Clock, policy: SessionPolicy
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock
        self._policy = policy

    async def __call__(self, slot: Slot[User], role: Role, known: Password) -> SignedIn:
        now = self._clock()
        session_id = secrets.token_urlsafe(16)
        refresh_token = _new_refresh_token(session_id)
        ends_at = now + self._policy.longest
        session = Session(
            id=session_id,
            tenant_id=slot.tenant_id,
            user_id=slot.id,
            password_id=known.id,
            token_hash=_hashed(refresh_token),
            idle_until=min(now + self._policy.idle, ends_at),
            ends_at=ends_at,
        )
        await self._sessions.begin(session)
        return SignedIn(self._tokens.for_user(slot, session_id), refresh_token, slot.id, role)


class SignIn:
    def __init__(
        self,
        users: Users,
        passwords: Passwords,
        attempts: AttemptLog,
        open_session: OpenSession,
        clock: Clock,
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._attempts = attempts
        self._open_session = open_session
        self._clock = clock
        self._names: Turns[str] = Turns()
        self._sources: Turns[str] = Turns(AT_ONCE)

    async def __call__(
        self, tenant_id: str, email: str, password: str, source: str = ""
    ) -> SignedIn:
        """Sign in from `source`, an address that the edge vouches for.

        A stranger's guesses count against the stranger. Only when many sources have used up what
        is free does everybody wait who has not signed in from where they are before. Only what was
        proven wrong counts: who comes while others are being judged is let in behind them.
        """
        for field, value in (("tenant_id", tenant_id), ("email", email), ("password", password)):
            if not value:
                raise FieldInvalid(field, "required", "must not be empty.")
        name = _hashed(f"{tenant_id}\n{email.lower()}")
        here, everywhere = _hashed(f"{name}\n{source}"), _hashed(f"source\n{source}")
        async with self._names.of(here), self._sources.of(everywhere):
            if self._passwords.busy():
                _insist(A_MOMENT)
            await self._insist_on_patience(name, here, everywhere)
            slot = await self._users.by_email(tenant_id, email)
            user, known = _with_password(slot)
            right = False
            try:
                # A hash is computed for nobody, too: time must not tell who exists.
                right = await self._passwords.verify(
                    known.hash if known else None, password[: PASSWORD_LENGTH[1] + 1]
                )
            finally:  # also for who went away meanwhile: it has cost as much
                if not right:
                    await self._count_failure(name, here, everywhere)
            if slot is None or user is None or known is None or not right:
                raise SignInRefused
            await self._attempts.forget(here)
            await self._attempts.trust(here, self._clock())
        return await self._open_session(slot, user.role, known)

    async def _insist_on_patience(self, name: str, here: str, everywhere: str) -> None:
        now = self._clock()
        _insist((await self._attempts.of(here)).wait(now, FREE_FAILURES))
        _insist((await self._attempts.of(everywhere)).wait(now, FREE_OF_SOURCE))
        brake = (await self._attempts.of(name)).wait(now, FREE_SOURCES)
        if brake and not await self._attempts.trusts(here):
            _insist(brake)

    async def _count_failure(self, name: str, here: str, everywhere: str) -> None:
        """Count a failure of a name here, of the source, and of the name from anywhere.

        What has used up what is free here is slow by that alone: a program with an old password
        does not hold up the office it stands in.
        """
        failures = await self._failed(here, FREE_FAILURES)
        if failures <= FREE_FAILURES:
            await self._failed(everywhere, FREE_OF_SOURCE)
        if failures == FREE_FAILURES:
            await self._failed(name, FREE_SOURCES)

    @again_if(Stale)
    async def _failed(self, key: str, free: int) -> int:
        now = self._clock()
        after = (await self._attempts.of(key)).failed(now, free)
        await self._attempts.save(after)
        return after.count(now, free)


class RefreshSession:
    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        tokens: Tokens,
        clock: Clock,
        policy: SessionPolicy,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock
        self._policy = policy

    async def __call__(self, refresh_token: str) -> SignedIn:
        now = self._clock()
        session_id = _session_of(refresh_token)
        session = await self._sessions.at(session_id)
        if session is None:
            raise SessionEnded
        slot = await self._users.at(session.tenant_id, session.user_id)
        user, known = _with_password(slot)
        same_password = known is not None and known.id == session.password_id
        current = hmac.compare_digest(_hashed(refresh_token), session.token_hash)
        if user is None or not same_password or not current or not session.alive(now):
            # A token that was replaced is in two hands, and we cannot tell whose is the thief's.
            await self._sessions.end(session)
            raise SessionEnded
        successor = _new_refresh_token(session_id)
        after = session.rotated(_hashed(successor), now, self._policy.idle)
        if not await self._sessions.advance(session, after):
            await self._sessions.end(session)  # used twice at the same moment
            raise SessionEnded
        access = self._tokens.for_user(slot, session_id)
        return SignedIn(access, successor, session.user_id, user.role)


class SignOut:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def __call__(self, refresh_token: str) -> None:
        """End the session. Whoever holds any token of it, old or new, may end it."""
        try:
            session_id = _session_of(refresh_token)
        except SessionEnded:
            return
        session = await self._sessions.at(session_id)
        if session is not None:
            await self._sessions.end(session)


class IssueServiceToken:
    def __init__(self, known: Mapping[str, str], tokens: Tokens) -> None:
        self._known = known
        self._tokens = tokens

    def __call__(self, service: str, secret: str) -> AccessToken:
        expected = self._known.get(service)
        good = hmac.compare_digest(_hashed(expected or secrets.token_hex()), _hashed(secret))
        if not good or expected is None:
            raise ServiceSecretRefused
        return self._tokens.for_service(service)


def _insist(wait: timedelta) -> None:
    if wait:
        raise SignInThrottled(
            "Too many sign-ins at this moment. Wait, then try again.",
            retryAfterSeconds=str(math.ceil(wait.total_seconds())),
        )


def _with_password(slot: Slot[User] | None) -> tuple[User | None, Password | None]:
    user = slot.value if slot is not None else None
    return user, user.password if user is not None else None


def _new_refresh_token(session_id: str) -> str:
    return f"{session_id}.{secrets.token_urlsafe(32)}"


def _session_of(refresh_token: str) -> str:
    session_id, dot, secret = refresh_token.partition(".")
    if not session_id or not dot or not secret or len(refresh_token) > LONGEST_TOKEN:
        raise SessionEnded
    return session_id


def _hashed(text: str) -> str:
    """SHA-256 is enough here: what is hashed is random, not a password somebody chose."""
    return hashlib.sha256(text.encode()).hexdigest()
