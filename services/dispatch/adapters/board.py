"""The bucket in which replicas find each other: what stands there, and for how long it has."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial

from nats.errors import Error
from nats.js.api import Header
from nats.js.errors import APIError

from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.tail import tail
from services.kernel.unreadable import understood

log = logging.getLogger(__name__)

BUCKET = "dispatch-leases"
_PREFIX = f"$KV.{BUCKET}."
_PATIENCE_S = 1.0
_AGAIN_S = 0.5

Judge = Callable[[str, bytes], object]
"""Reads what stands under a key; what it cannot read it raises over."""

TROUBLE = (Error, APIError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Noted:
    """What stands under one key."""

    revision: int = 0
    value: bytes = b""
    at: float = 0.0
    """When this revision was seen, by the clock of the loop; nobody else's clock is believed."""
    since: float = 0.0
    """Since when revision has followed revision without a pause."""


_NOTHING = Noted()


class Board:
    """A copy of the bucket that the bus keeps up to date, and the way to write to it."""

    def __init__(self, bus: Bus, own_key: str, pause_s: float, judge: Judge) -> None:
        """Follow a bucket in which this process writes `own_key` all the time.

        When that has not come back for `pause_s`, nothing does: then nothing is known to be old.
        What `judge` raises over is as good as nothing, and may be written over.
        """
        self._judge = judge
        self._bus = bus
        self._own_key = own_key
        self._pause_s = pause_s
        self._noted: dict[str, Noted] = {}
        self._complete = False
        self._changed = asyncio.Event()

    @property
    def sees(self) -> bool:
        """Whether the copy is complete and what is written arrives."""
        own = self._noted.get(self._own_key, _NOTHING)
        return self._complete and now() - own.at < self._pause_s

    def at(self, key: str) -> Noted:
        return self._noted.get(key, _NOTHING)

    def under(self, prefix: str) -> Mapping[str, Noted]:
        """Return what stands under keys with this prefix, by the rest of the key."""
        return {
            key.removeprefix(prefix): noted
            for key, noted in self._noted.items()
            if key.startswith(prefix)
        }

    async def change(self, within: float) -> None:
        """Wait until something is written, but not for ever: time passing is a change, too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()

    async def write(
        self,
        key: str,
        value: bytes,
        *,
        last: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Write, if the key still has revision `last`; return the new revision."""
        said = dict(headers or {})
        if last is not None:
            said[Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(last)
        ack = await self._bus.js.publish(
            _PREFIX + key, value, timeout=_PATIENCE_S, headers=said or None
        )
        return ack.seq

    async def follow(self) -> None:
        """Keep the copy up to date, for ever."""
        while True:
            try:
                await self._follow()
            except TROUBLE as trouble:
                log.warning("no leases", extra={"cause": cause_of(trouble)})
            await asyncio.sleep(_AGAIN_S)

    async def _follow(self) -> None:
        stream = f"KV_{BUCKET}"
        states = tail(self._bus, stream, subjects=[f"{_PREFIX}>"], last_per_subject=True)
        async with aclosing(states) as batches:
            async for batch in batches:
                if not self.sees:
                    self._nothing_is_old()
                for it in batch:
                    key = it.subject.removeprefix(_PREFIX)
                    value = b"" if "KV-Operation" in it.headers else it.data
                    read = partial(self._judge, key, value)
                    if value and understood(stream, read, sequence=it.sequence) is None:
                        value = b""
                    self._note(key, it.sequence, value)
                if not batch or batch[-1].pending == 0:
                    self._complete = True
                self._changed.set()
                self._changed = asyncio.Event()

    def _note(self, key: str, revision: int, value: bytes) -> None:
        before, at = self.at(key), now()
        goes_on = before.value and at - before.at < self._pause_s
        self._noted[key] = Noted(revision, value, at, before.since if goes_on else at)

    def _nothing_is_old(self) -> None:
        at = now()
        self._noted = {key: replace(noted, at=at) for key, noted in self._noted.items()}


def now() -> float:
    return asyncio.get_running_loop().time()
