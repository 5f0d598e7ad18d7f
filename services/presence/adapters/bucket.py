"""Leases in a key-value bucket: one key for each device, which ends by itself.

The entry's age is told by the server's clock, the one clock all replicas have in common. Renewals
carry a time to live, so they are plain publishes to the bucket's stream (ADR-48 of NATS).
"""

import asyncio
import logging
import math
from datetime import timedelta

from nats.errors import Error
from nats.js.api import Header, RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.clock import Clock
from services.presence.domain.errors import LeasesUnknown
from services.presence.domain.leases import Key
from services.presence.messages import LEASES, SESSION, is_end, lease_subject

log = logging.getLogger(__name__)

_PATIENCE = 2.0
_PROMPT = 1.0
"""Seconds an answer may take. A later one comes from a bus that stood still, and so could hear
nobody renew."""
_SPARE = 2
"""Seconds an entry outlives its lease, so that who asks at the end finds it rather than nothing."""


class BucketLeases:
    def __init__(self, bus: Bus, lease: timedelta, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._lease = lease.total_seconds()
        self._renewed: dict[str, str] = {}
        ttl = f"{math.ceil(self._lease) + _SPARE}s"
        self._ttl = ttl
        self._goodbye = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": ttl}

    async def take(self, user: Key, device_id: str, session_id: str) -> None:
        try:
            subject = lease_subject(user, device_id)
            renewal = self._renewal(session_id)
            await self._bus.js.publish(subject, headers=renewal, timeout=_PATIENCE)
        except (Error, OSError, TimeoutError, APIError) as trouble:
            log.warning("a lease is not stored yet", extra={"cause": cause_of(trouble)})

    def renew(self, user: Key, device_id: str, session_id: str) -> None:
        self._renewed[lease_subject(user, device_id)] = session_id

    async def flush(self) -> None:
        """Send the renewals of the last moment, all with one write to the connection."""
        renewed, self._renewed = self._renewed, {}
        try:
            for subject, session_id in renewed.items():
                await self._bus.nc.publish(subject, headers=self._renewal(session_id))
        except Error as trouble:  # the client's buffer is full, in a long outage
            log.debug("renewals are not stored", extra={"cause": cause_of(trouble)})

    async def give_back(self, user: Key, device_id: str) -> None:
        try:
            subject = lease_subject(user, device_id)
            self._renewed.pop(subject, None)
            await self._bus.js.publish(subject, headers=self._goodbye, timeout=_PATIENCE)
        except (Error, OSError, TimeoutError, APIError) as trouble:
            raise LeasesUnknown("Try again; or do nothing, the lease ends by itself.") from trouble

    async def take_back(self, user: Key, device_id: str, session_id: str) -> bool:
        subject = lease_subject(user, device_id)
        try:
            async with asyncio.timeout(_PATIENCE):
                lease = await self._last(subject)
                if lease is None:
                    return True
                if (lease.headers or {}).get(SESSION, "") != session_id:
                    return False
                # One that is taken or renewed in between is looked at again.
                as_read = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(lease.seq)}
                await self._bus.js.publish(subject, headers=self._goodbye | as_read)
        except (Error, OSError, TimeoutError, APIError) as trouble:
            raise LeasesUnknown("The lease is looked at again.") from trouble
        return True

    def _renewal(self, session_id: str) -> dict[str, str]:
        ttl = {"Nats-TTL": self._ttl}
        return {**ttl, SESSION: session_id} if session_id else ttl

    async def end(self, user: Key) -> None:
        try:
            async with asyncio.timeout(_PROMPT):
                for subject in await self._subjects(user):
                    self._renewed.pop(subject, None)
                    await self._bus.js.publish(subject, headers=self._goodbye)
        except (Error, OSError, TimeoutError, APIError) as trouble:
            raise LeasesUnknown("The bucket does not answer.") from trouble

    async def _subjects(self, user: Key) -> list[str]:
        of_user = lease_subject(user, "*")
        state = (await self._bus.js.stream_info(LEASES, subjects_filter=of_user)).state
        return list(state.subjects or ())

    async def left(self, user: Key) -> float:
        try:
            left = 0.0
            async with asyncio.timeout(_PROMPT):
                for subject in await self._subjects(user):
                    left = max(left, await self._left(subject))
        except (Error, OSError, TimeoutError, APIError) as trouble:
            raise LeasesUnknown("The bucket does not answer.") from trouble
        return left

    async def _left(self, subject: str) -> float:
        entry = await self._last(subject)
        if entry is None or entry.time is None:
            return 0.0
        age = (self._clock() - entry.time).total_seconds()
        return min(self._lease, self._lease - age)

    async def _last(self, subject: str) -> RawStreamMsg | None:
        """Return the lease as it was renewed last, unless it has ended."""
        try:
            entry = await self._bus.js.get_last_msg(LEASES, subject)
        except NotFoundError:
            return None
        return None if is_end(entry.headers or {}) else entry
