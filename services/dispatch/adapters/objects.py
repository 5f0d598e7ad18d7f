"""Objects in the bus's store: whole, not there, or damaged, and never one taken for another.

The client of the bus waits for ever for a part that is lost, and takes what came before its
connection was closed for the whole. So the parts are read here, as any stream is.
"""

import asyncio
import base64
import re
from contextlib import aclosing
from hashlib import sha256
from typing import NamedTuple

from nats.errors import Error
from nats.js.errors import APIError, BadObjectMetaError, NotFoundError
from nats.js.object_store import ObjectStore

from services.dispatch.use_cases.ports import Unknown
from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.tail import tail, until_now
from services.kernel.unreadable import passed_over

PART_WITHIN_S = 20.0
"""No part for so long: the bus does not answer. How long they take together does not matter."""
DAMAGED = b""
"""Stands for an object that is there and cannot be read."""


async def stored(bus: Bus, bucket: str, name: str) -> bytes | None:
    """Return an object, DAMAGED, or None when there is none. Raises Unknown."""
    try:
        store = await bus.js.object_store(bucket)
        said = await _said(store, name)
        data, digest = await _parts(bus, bucket, said.nuid)
        if said.digest.lower() == digest.lower():
            return data
        if await _said(store, name) != said:
            raise Unknown("It was replaced while it was read.")
    except NotFoundError:
        return None
    except BadObjectMetaError as flaw:
        passed_over(bucket, cause_of(flaw))
    except (Error, APIError, TimeoutError, OSError) as silence:
        raise Unknown from silence
    else:
        passed_over(bucket, "Digest")
    return DAMAGED


class _Said(NamedTuple):
    """What a store says of an object: where its parts are, and their digest."""

    nuid: str
    digest: str


async def _said(store: ObjectStore, name: str) -> _Said:
    info = await store.get_info(name)
    if re.fullmatch("[A-Za-z0-9]+", str(info.nuid)) is None:
        raise BadObjectMetaError
    return _Said(str(info.nuid), str(info.digest))


async def _parts(bus: Bus, bucket: str, nuid: str) -> tuple[bytes, str]:
    """Read all parts that are there, and their digest. Raises TimeoutError in silence."""
    data, digest = bytearray(), sha256()
    now = asyncio.get_running_loop().time
    reading = tail(bus, f"OBJ_{bucket}", subjects=[f"$O.{bucket}.C.{nuid}"])
    async with asyncio.timeout(PART_WITHIN_S) as patience, aclosing(until_now(reading)) as batches:
        async for batch in batches:
            for part in batch:
                data += part.data
                digest.update(part.data)
            patience.reschedule(now() + PART_WITHIN_S)
    return bytes(data), f"SHA-256={base64.urlsafe_b64encode(digest.digest()).decode()}"


async def names(bus: Bus, bucket: str) -> list[str]:
    """Return the names of all objects, also of those that are gone. Raises Unknown.

    Of the subjects of what says that they are there, not of what it says: none hides the others.
    """
    prefix = f"$O.{bucket}.M."
    try:
        info = await bus.js.stream_info(f"OBJ_{bucket}", subjects_filter=f"{prefix}>")
    except (Error, APIError, TimeoutError, OSError) as silence:
        raise Unknown from silence
    found: list[str] = []
    for subject in info.state.subjects or ():
        try:
            found.append(base64.urlsafe_b64decode(subject.removeprefix(prefix)).decode())
        except ValueError as flaw:
            passed_over(bucket, cause_of(flaw))
    return found
