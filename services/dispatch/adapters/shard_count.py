"""How many shards the installation has: written down once, and every router is held to it.

A tenant's shard is a hash modulo this number. A router that goes by another one would look for a
tenant where nothing of theirs is, and nobody would lead what waits: so it does not start.
"""

import asyncio
import logging
import re

from nats.js.api import Header
from nats.js.errors import APIError, NotFoundError

from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.env import Misconfigured
from services.kernel.publisher import overtaken

from .board import BUCKET, TROUBLE
from .logs import INPUTS, JOURNAL

log = logging.getLogger(__name__)

KEY = "shards"
_STREAM = f"KV_{BUCKET}"
_SUBJECT = f"$KV.{BUCKET}.{KEY}"
_LEASES = f"$KV.{BUCKET}.shard-"
_NUMBER = re.compile("[0-9]{1,6}")
"""Longer ones nobody has written, and beyond some thousand digits none can be read."""
_PATIENCE_S = 5.0
_AGAIN_S = 0.5


async def agree_on_shards(bus: Bus, told: int) -> None:
    """Return once it is written down that there are as many shards as this router was told.

    Raises Misconfigured when there is another number. Waits for a bus that does not answer.
    """
    if told < 1:
        raise Misconfigured({"SHARDS": "must be a whole number from 1 on"})
    while True:
        try:
            written = await _written_down(bus, told)
        except TROUBLE as trouble:
            log.warning(
                "cannot read how many shards there are; trying again",
                extra={"cause": cause_of(trouble)},
            )
            await asyncio.sleep(_AGAIN_S)
            continue
        if written != told:
            raise _other_number(told, f"{written} shards", str(written))
        return


async def _written_down(bus: Bus, told: int) -> int:
    """Return the number that stands in the bucket. Whoever comes first writes it there."""
    while True:
        number, revision = await _read(bus)
        if number:
            return number
        number = await _number_of_before(bus, told)
        try:
            await bus.js.publish(
                _SUBJECT,
                str(number).encode(),
                timeout=_PATIENCE_S,
                headers={Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(revision)},
            )
        except APIError as refused:
            if not overtaken(refused):
                raise
        else:
            log.info("wrote down how many shards there are", extra={"shards": number})


async def _read(bus: Bus) -> tuple[int, int]:
    """Return the number and its revision; 0 for a number that is not there or is none."""
    try:
        found = await bus.js.get_last_msg(_STREAM, _SUBJECT)
    except NotFoundError:
        return 0, 0
    text = b"" if "KV-Operation" in (found.headers or {}) else found.data or b""
    if number := _number(text.decode(errors="replace")):
        return number, found.seq or 0
    if text:
        log.error("the number of shards is unreadable; finding it out anew", extra={"key": KEY})
    return 0, found.seq or 0


async def _number_of_before(bus: Bus, told: int) -> int:
    """Return how many shards an installation has in which the number was never written.

    Each shard that was ever led has a lease, and within a second of the first start all are led.
    Where the leases are lost, what was routed shows in the logs that there were so many at least.
    """
    led = await _highest(bus, _STREAM, _LEASES)
    used = max(
        await _highest(bus, INPUTS, "dispatch.in."),
        await _highest(bus, JOURNAL, "dispatch.journal."),
    )
    if not led and told < used:
        raise _other_number(told, f"the logs of {used} shards or more", "as many as it began with")
    return max(led, used) if led else told


async def _highest(bus: Bus, stream: str, prefix: str) -> int:
    """Return one more than the highest number that stands behind the prefix in a subject."""
    info = await bus.js.stream_info(stream, subjects_filter=">")
    subjects = info.state.subjects or {}
    places = (it.removeprefix(prefix) for it in subjects if it.startswith(prefix))
    return max((int(it) + 1 for it in places if _NUMBER.fullmatch(it)), default=0)


def _number(text: str) -> int:
    """Read a number of shards; 0 for what is none."""
    return int(text) if _NUMBER.fullmatch(text) else 0


def _other_number(told: int, there_are: str, right: str) -> Misconfigured:
    return Misconfigured(
        {
            "SHARDS": f"is {told}, but this installation has {there_are}: with another number "
            f"whoever waits is stranded. Set SHARDS={right}; how the number is changed says "
            "docs/runbook/shards.md"
        }
    )
