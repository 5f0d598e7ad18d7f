"""Objects in the bus's store, of which one that cannot be read is as good as none."""

import asyncio
import base64

from nats.errors import Error
from nats.js.errors import (
    APIError,
    BadObjectMetaError,
    DigestMismatchError,
    LinkIsABucketError,
    NotFoundError,
)

from services.dispatch.use_cases.ports import Unknown
from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.unreadable import passed_over

READ_WITHIN_S = 20.0
"""The client waits for ever for a part that is lost."""


async def stored(bus: Bus, bucket: str, name: str) -> bytes:
    """Return an object; nothing when there is none, or none that is whole. Raises Unknown."""
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            store = await bus.js.object_store(bucket)
            return (await store.get(name)).data or b""
    except NotFoundError:
        return b""
    except (BadObjectMetaError, DigestMismatchError, LinkIsABucketError) as flaw:
        passed_over(bucket, cause_of(flaw))
    except (Error, APIError) as silence:
        raise Unknown from silence
    except TimeoutError as lost:
        passed_over(bucket, cause_of(lost))
    except OSError as silence:
        raise Unknown from silence
    except Exception as flaw:  # noqa: BLE001 - the client trips over what stands in its records
        passed_over(bucket, cause_of(flaw))
    return b""


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
