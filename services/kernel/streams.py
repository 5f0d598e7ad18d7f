"""Make the streams and buckets of the installation what deploy/nats/streams.toml says.

Each has its share of the room that the broker has on its disk, NATS_MAX_FILE_STORE: so none can
fill it and stop the others.
"""

import argparse
import asyncio
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamSource
from nats.js.errors import NotFoundError

from .bus import connected
from .env import Between, Misconfigured, NatsUrl, Shaped, from_env_or_exit

NAME = "streams"
STREAMS_TOML = Path(__file__).parents[2] / "deploy" / "nats" / "streams.toml"
ROOM = "16GB"
_UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_FULL = {"refuse": DiscardPolicy.NEW, "forget": DiscardPolicy.OLD}
_OF_ALL = {"share", "when_full"}
_OF_STREAMS = _OF_ALL | {
    "subjects",
    "copies",
    "retention",
    "max_age",
    "max_msgs_per_subject",
    "duplicate_window",
    "ttl_per_message",
}


class BadStreams(ValueError):
    """The file has a key that no stream, bucket or object store knows, or lacks one that each has.

    Or the room is not written as a number of bytes.
    """


def read(path: Path = STREAMS_TOML) -> dict[str, Any]:
    """Return the file's tables: `streams`, `buckets` and `objects`, each by name."""
    return tomllib.loads(path.read_text())


def configs(
    path: Path = STREAMS_TOML, *, replicas: int = 1, room: str = ROOM
) -> list[StreamConfig]:
    """Return what the file wants, of a broker with so much room: "16GB", as NATS writes it."""
    wanted, of_disk = read(path), _bytes(room)
    kinds = (("streams", _stream), ("buckets", _bucket), ("objects", _objects))
    return [
        make(name, table).evolve(
            max_bytes=of_disk * _share(f"{kind}.{name}", table) // 100,
            discard=_full(f"{kind}.{name}", table),
            storage=StorageType.FILE,
            num_replicas=replicas,
            allow_direct=False,  # a read after a write sees it
        )
        for kind, make in kinds
        for name, table in wanted.get(kind, {}).items()
    ]


async def apply(
    js: JetStreamContext, path: Path = STREAMS_TOML, *, replicas: int = 1, room: str = ROOM
) -> None:
    """Create what is missing and update what differs; applying twice changes nothing.

    `replicas` is 1, 3 or 5 and must not exceed the number of servers, each of which has `room`.
    """
    wanted = configs(path, replicas=replicas, room=room)
    missing = [one for one in wanted if not await _exists(js, one)]
    # What a new stream takes over must first have been let go by the old one.
    for config in wanted:
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


def _stream(name: str, table: Mapping[str, Any]) -> StreamConfig:
    _known(f"streams.{name}", table, _OF_STREAMS)
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
        allow_msg_ttl=table.get("ttl_per_message"),
    )


def _bucket(name: str, table: Mapping[str, Any]) -> StreamConfig:
    """Lay a key-value bucket out as the client library does (ADR-8 of NATS)."""
    _known(f"buckets.{name}", table, _OF_ALL | {"ttl_per_key"})
    return StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_msg_ttl=True,
        subject_delete_marker_ttl=60 if table.get("ttl_per_key") else None,
        duplicate_window=120,
    )


def _objects(name: str, table: Mapping[str, Any]) -> StreamConfig:
    """Lay an object store out as the client library does (ADR-20 of NATS)."""
    _known(f"objects.{name}", table, _OF_ALL | {"max_age"})
    return StreamConfig(
        name=f"OBJ_{name}",
        max_age=table.get("max_age", 0),
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        allow_rollup_hdrs=True,
    )


def _known(table_name: str, table: Mapping[str, Any], keys: set[str]) -> None:
    if unknown := set(table) - keys:
        raise BadStreams(f"{table_name}: {', '.join(sorted(unknown))}")


def _share(table_name: str, table: Mapping[str, Any]) -> int:
    share = table.get("share", 0)
    if not isinstance(share, int) or not 1 <= share <= 100:  # noqa: PLR2004 - per cent
        raise BadStreams(f"{table_name}: share must be 1 to 100 per cent of the room")
    return share


def _full(table_name: str, table: Mapping[str, Any]) -> DiscardPolicy:
    told = table.get("when_full", "refuse")
    if told not in _FULL:
        raise BadStreams(f"{table_name}: when_full must be one of {', '.join(_FULL)}")
    return _FULL[told]


def _bytes(room: str) -> int:
    written = re.fullmatch(r"(\d+)([KMGT]B)", room)
    if written is None:
        raise BadStreams("NATS_MAX_FILE_STORE must be a whole number of KB, MB, GB or TB: 16GB")
    return int(written[1]) * _UNITS[written[2]]


def _is_room(text: str) -> bool:
    return re.fullmatch(r"[1-9]\d{0,5}[KMGT]B", text) is not None


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    nats_replicas: Annotated[int, Between(1, 5)] = 1
    """Copies of each stream: 1, 3 or 5, and no more than there are servers."""
    nats_max_file_store: Annotated[str, Shaped("a number of KB, MB, GB or TB", _is_room)] = ROOM
    """The room that the broker has for streams, as it is told by the same name."""


async def _main(settings: Settings, path: Path) -> None:
    async with connected(settings.nats_url, name=NAME) as bus:
        room = settings.nats_max_file_store
        await apply(bus.js, path, replicas=settings.nats_replicas, room=room)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m services.kernel.streams", description=__doc__)
    options.add_argument("--file", type=Path, default=STREAMS_TOML)
    file = options.parse_args().file
    try:
        asyncio.run(_main(from_env_or_exit(Settings, NAME), file))
    except Misconfigured as wrong:
        sys.exit(f"{NAME}: {wrong}")
