"""Make the streams and buckets of the installation what deploy/nats/streams.toml says."""

import argparse
import asyncio
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig, StreamSource
from nats.js.errors import NotFoundError

from .bus import connected

STREAMS_TOML = Path(__file__).parents[2] / "deploy" / "nats" / "streams.toml"
_KEYS = {
    "subjects",
    "copies",
    "retention",
    "max_age",
    "max_msgs_per_subject",
    "duplicate_window",
}


class BadStreams(ValueError):
    """The file has a key that no stream, bucket or object store knows."""


def read(path: Path = STREAMS_TOML) -> dict[str, Any]:
    """Return the file's tables: `streams`, `buckets` and `objects`, each by name."""
    return tomllib.loads(path.read_text())


async def apply(js: JetStreamContext, path: Path = STREAMS_TOML, *, replicas: int = 1) -> None:
    """Create what is missing and update what differs; applying twice changes nothing.

    `replicas` is 1, 3 or 5 and must not exceed the number of servers.
    """
    wanted = read(path)
    configs = [
        *(_config(name, table, replicas) for name, table in wanted.get("streams", {}).items()),
        *(_bucket(name, table, replicas) for name, table in wanted.get("buckets", {}).items()),
        *(_objects(name, table, replicas) for name, table in wanted.get("objects", {}).items()),
    ]
    missing = [one for one in configs if not await _exists(js, one)]
    # What a new stream takes over must first have been let go by the old one.
    for config in configs:
        if config not in missing:
            await js.update_stream(config)
    for config in missing:
        await js.add_stream(config)


async def _exists(js: JetStreamContext, config: StreamConfig) -> bool:
    try:
        await js.stream_info(config.name or "")
    except NotFoundError:
        return False
    return True


def _config(name: str, table: Mapping[str, Any], replicas: int) -> StreamConfig:
    if unknown := set(table) - _KEYS:
        raise BadStreams(f"streams.{name}: {', '.join(sorted(unknown))}")
    return StreamConfig(
        name=name,
        subjects=list(table.get("subjects", ())),
        sources=[
            StreamSource(name=other, filter_subject=subject)
            for other, subject in table.get("copies", {}).items()
        ]
        or None,
        retention=RetentionPolicy(table.get("retention", "limits")),
        max_age=table.get("max_age", 0),
        max_msgs_per_subject=table.get("max_msgs_per_subject", -1),
        duplicate_window=table.get("duplicate_window", 120),
        storage=StorageType.FILE,
        num_replicas=replicas,
        allow_direct=False,  # a read after a write sees it
    )


def _bucket(name: str, table: Mapping[str, Any], replicas: int) -> StreamConfig:
    """Lay a key-value bucket out as the client library does (ADR-8 of NATS)."""
    if unknown := set(table) - {"ttl_per_key"}:
        raise BadStreams(f"buckets.{name}: {', '.join(sorted(unknown))}")
    return StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=False,
        allow_msg_ttl=True,
        subject_delete_marker_ttl=60 if table.get("ttl_per_key") else None,
        duplicate_window=120,
        storage=StorageType.FILE,
        num_replicas=replicas,
    )


def _objects(name: str, table: Mapping[str, Any], replicas: int) -> StreamConfig:
    """Lay an object store out as the client library does (ADR-20 of NATS)."""
    if unknown := set(table) - {"max_age"}:
        raise BadStreams(f"objects.{name}: {', '.join(sorted(unknown))}")
    return StreamConfig(
        name=f"OBJ_{name}",
        max_age=table.get("max_age", 0),
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        allow_rollup_hdrs=True,
        allow_direct=False,
        storage=StorageType.FILE,
        num_replicas=replicas,
    )


async def _main(url: str, path: Path, replicas: int) -> None:
    async with connected(url, name="streams") as bus:
        await apply(bus.js, path, replicas=replicas)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m services.kernel.streams", description=__doc__)
    options.add_argument("--file", type=Path, default=STREAMS_TOML)
    options.add_argument("--replicas", type=int, default=int(os.environ.get("NATS_REPLICAS", "1")))
    given = options.parse_args()
    asyncio.run(_main(os.environ["NATS_URL"], given.file, given.replicas))
