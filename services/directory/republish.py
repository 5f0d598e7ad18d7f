"""python -m services.directory.republish: put lost state back on the bus, by hand.

The directory does the same at each start and when the bus comes back. This is for a stream
that somebody removed from a server that was never gone.
"""

import asyncio
import sys

from services.kernel.bus import connected
from services.kernel.clock import utc_now
from services.kernel.env import from_env
from services.kernel.mongo import database

from .adapters.published import PublishedStates
from .adapters.seal import Seal
from .adapters.store import store
from .settings import Settings
from .use_cases.republish import Republish


async def republish(settings: Settings) -> int:
    """Return how many states were missing on the bus or older there."""
    async with (
        connected(settings.nats_url, name="directory") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        store(db, bus, Seal(settings.key_encryption_key), utc_now) as kept,
    ):
        return await Republish(PublishedStates(bus), kept.announced)()


if __name__ == "__main__":
    count = asyncio.run(republish(from_env(Settings)))
    sys.stdout.write(f"{count} states published again\n")
