"""What streams.toml says is what the server has, however often it is applied."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from services.kernel import streams
from services.kernel.bus import Bus, BusUnavailable
from services.kernel.wire import Outgoing
from tests.streams import until


async def test_applying_again_changes_nothing(bus: Bus) -> None:
    before = {one.config.name: one.config for one in await bus.js.streams_info()}
    await streams.apply(bus.js)
    after = {one.config.name: one.config for one in await bus.js.streams_info()}
    assert after == before
    assert set(streams.read()["streams"]) <= set(after)


async def test_a_changed_line_changes_the_stream_and_keeps_its_messages(
    bus: Bus, tmp_path: Path
) -> None:
    file = tmp_path / "streams.toml"
    file.write_text('[streams.TESTS]\nshare = 1\nsubjects = ["tests.>"]\nmax_age = 600\n')
    await streams.apply(bus.js, file)
    await bus.js.publish("tests.one", b"kept")
    file.write_text('[streams.TESTS]\nshare = 1\nsubjects = ["tests.>"]\nmax_age = 1200\n')
    await streams.apply(bus.js, file)
    info = await bus.js.stream_info("TESTS")
    assert (info.config.max_age, info.state.messages) == (1200, 1)
    await bus.js.delete_stream("TESTS")


async def test_a_stream_may_keep_copies_of_some_of_anothers_messages(
    bus: Bus, tmp_path: Path
) -> None:
    file = tmp_path / "streams.toml"
    file.write_text(
        '[streams.ALL]\nshare = 1\nsubjects = ["tests.>"]\nmax_age = 600\n'
        '[streams.SOME]\nshare = 1\ncopies = { ALL = "tests.*.kept" }\n'
    )
    for _ in range(2):
        await streams.apply(bus.js, file)
    for word in ("lost", "kept"):
        await bus.js.publish(f"tests.one.{word}", b"")

    async def copied() -> bool:
        return (await bus.js.stream_info("SOME")).state.messages > 0

    await until(copied, within=10)
    only = await bus.js.get_msg("SOME", seq=1)
    assert only.subject == "tests.one.kept"
    assert (await bus.js.stream_info("SOME")).state.messages == 1
    for name in ("SOME", "ALL"):
        await bus.js.delete_stream(name)


async def test_a_subject_may_move_to_a_new_stream(bus: Bus, tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text('[streams.OLD]\nshare = 1\nsubjects = ["tests.a", "tests.b"]\n')
    await streams.apply(bus.js, file)
    file.write_text(
        '[streams.NEW]\nshare = 1\nsubjects = ["tests.b"]\n'
        '[streams.OLD]\nshare = 1\nsubjects = ["tests.a"]\n'
    )
    await streams.apply(bus.js, file)
    assert (await bus.js.publish("tests.b", b"")).stream == "NEW"
    for name in ("OLD", "NEW"):
        await bus.js.delete_stream(name)


async def test_text_is_forgotten_on_the_ack(bus: Bus) -> None:
    for name in ("SUBMISSIONS", "INBOUND", "OUTBOUND"):
        info = await bus.js.stream_info(name)
        assert info.config.retention == RetentionPolicy.WORK_QUEUE


async def test_a_key_of_a_lease_bucket_ends_by_itself(bus: Bus) -> None:
    leases = await bus.js.key_value("presence-leases")
    await leases.create("acme.ana", b"here", msg_ttl=60)
    assert (await leases.get("acme.ana")).value == b"here"


async def test_a_key_that_means_nothing_is_refused(bus: Bus, tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text('[streams.TESTS]\nshare = 1\nsubjects = ["tests.>"]\nmax_agee = 60\n')
    with pytest.raises(streams.BadStreams, match="max_agee"):
        await streams.apply(bus.js, file)


async def test_every_stream_is_bounded_and_all_together_fit_the_room(bus: Bus) -> None:
    bounds = {
        str(one.config.name): one.config.max_bytes or 0 for one in await bus.js.streams_info()
    }
    assert all(bound > 1 << 20 for bound in bounds.values()), bounds
    assert sum(bounds.values()) <= 16 << 30


async def test_no_message_is_forgotten_that_is_needed_however_old_it_is(bus: Bus) -> None:
    """Work that nobody took, what the router's state is made of, and the state of a key."""
    needed = {
        *("SUBMISSIONS", "INBOUND", "OUTBOUND", "DIRECTORY", "PRESENCE", "DEAD"),
        *("DISPATCH_IN", "DISPATCH_JOURNAL", "KV_dispatch-leases", "KV_presence-leases"),
        *("OBJ_dispatch-snapshots", "OBJ_dispatch-archive"),
    }
    for one in await bus.js.streams_info():
        name = one.config.name
        assert one.config.discard == (DiscardPolicy.NEW if name in needed else DiscardPolicy.OLD)


MINUTES, DAYS = 60, 86400
WORK, PAST = RetentionPolicy.WORK_QUEUE, RetentionPolicy.LIMITS

#: Written down a second time on purpose: retention, age, messages of a subject, window, in seconds.
SHIPPED = {
    "DIRECTORY": (PAST, 0, 1, 2 * MINUTES),
    "SUBMISSIONS": (WORK, 0, -1, 0.1),
    "INBOUND": (WORK, 0, -1, 2 * MINUTES),
    "INGESTION": (PAST, 7 * DAYS, -1, 2 * MINUTES),
    "OUTBOUND": (WORK, 0, -1, 2 * MINUTES),
    "CONTACTS": (PAST, 7 * DAYS, -1, 2 * MINUTES),
    "CONVERSATIONS": (PAST, 7 * DAYS, -1, 2 * MINUTES),
    "PRESENCE": (PAST, 0, 1, 2 * MINUTES),
    "DISPATCH": (PAST, 7 * DAYS, -1, 2 * MINUTES),
    "AUDIT": (PAST, 400 * DAYS, -1, 2 * MINUTES),
    "DISPATCH_IN": (PAST, 30 * DAYS, -1, 2 * MINUTES),
    "DISPATCH_JOURNAL": (PAST, 30 * DAYS, -1, 2 * MINUTES),
    "WORKSPACE": (PAST, 8 * DAYS, -1, 2 * MINUTES),
    "DEAD": (PAST, 30 * DAYS, -1, 2 * MINUTES),
    "DEAD_SUBMISSIONS": (PAST, 30 * DAYS, -1, 2 * MINUTES),
    "ADVISORIES": (PAST, 7 * DAYS, -1, 2 * MINUTES),
    "KV_dispatch-leases": (PAST, 0, 1, 2 * MINUTES),
    "KV_presence-leases": (PAST, 0, 1, 2 * MINUTES),
    "KV_health": (PAST, 0, 1, 2 * MINUTES),
    "OBJ_dispatch-snapshots": (PAST, 0, -1, 2 * MINUTES),
    "OBJ_dispatch-archive": (PAST, 30 * DAYS, -1, 2 * MINUTES),
}


async def test_the_server_keeps_each_stream_in_this_way_and_for_so_long(bus: Bus) -> None:
    configs = [one.config for one in await bus.js.streams_info()]
    assert {
        it.name: (it.retention, it.max_age, it.max_msgs_per_subject, it.duplicate_window)
        for it in configs
    } == SHIPPED
    assert {it.max_msgs for it in configs} == {-1}
    assert {it.storage for it in configs} == {StorageType.FILE}
    ends = {it.name: it.subject_delete_marker_ttl for it in configs if it.allow_msg_ttl}
    # Sessions that ended are forgotten in the directory's state by themselves.
    assert ends == {
        "DIRECTORY": None,
        "KV_dispatch-leases": None,
        "KV_health": None,
        "KV_presence-leases": 1 * MINUTES,
    }


@pytest.fixture
async def small(bus: Bus, tmp_path: Path) -> AsyncIterator[Path]:
    """A file of two streams with room for 64 messages of 1 KB, one of each way to be full."""
    file = tmp_path / "small.toml"
    file.write_text(
        '[streams.KEEPS]\nshare = 1\nsubjects = ["keeps.*"]\nmax_msgs_per_subject = 1\n'
        '[streams.FORGETS]\nshare = 1\nwhen_full = "forget"\nsubjects = ["forgets.*"]\n'
    )
    yield file
    for name in ("KEEPS", "FORGETS"):
        await bus.js.delete_stream(name)


async def test_a_full_stream_refuses_what_is_new_but_takes_what_replaces(
    bus: Bus, small: Path
) -> None:
    await streams.apply(bus.js, small, room="6400KB")
    fit = 60  # of 64 KB, with what the server writes beside each
    for number in range(fit):
        await bus.publish(Outgoing(f"keeps.{number}", bytes(1024), {}))
    with pytest.raises(BusUnavailable):
        await bus.publish(Outgoing("keeps.more", bytes(8192), {}))
    await bus.publish(Outgoing("keeps.0", bytes(1024), {}))
    assert (await bus.js.stream_info("KEEPS")).state.messages == fit


async def test_a_full_stream_of_facts_forgets_the_oldest(bus: Bus, small: Path) -> None:
    await streams.apply(bus.js, small, room="6400KB")
    for number in range(100):
        await bus.publish(Outgoing(f"forgets.{number}", bytes(1024), {}))
    assert (await bus.js.get_last_msg("FORGETS", "forgets.99")).seq == 100
    with pytest.raises(NotFoundError):
        await bus.js.get_last_msg("FORGETS", "forgets.0")


async def test_an_installation_without_bounds_is_given_them_and_loses_nothing(
    bus: Bus, small: Path
) -> None:
    await bus.js.add_stream(StreamConfig("KEEPS", subjects=["keeps.*"]))
    for number in range(100):
        await bus.publish(Outgoing(f"keeps.{number}", bytes(1024), {}))
    await streams.apply(bus.js, small, room="6400KB")
    info = await bus.js.stream_info("KEEPS")
    assert (info.config.max_bytes, info.state.messages) == (64 << 10, 100)
    with pytest.raises(BusUnavailable):
        await bus.publish(Outgoing("keeps.new", b"", {}), timeout=0.3)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("", "share must be 1 to 100"),
        ("share = 0", "share must be 1 to 100"),
        ('share = 1\nwhen_full = "burst"', "when_full must be one of refuse, forget"),
    ],
)
async def test_a_stream_without_a_bound_is_refused(
    bus: Bus, tmp_path: Path, table: str, told: str
) -> None:
    file = tmp_path / "streams.toml"
    file.write_text(f"[streams.TESTS]\n{table}\n")
    with pytest.raises(streams.BadStreams, match=told):
        await streams.apply(bus.js, file)


async def test_a_room_that_is_no_size_is_refused(bus: Bus) -> None:
    with pytest.raises(streams.BadStreams, match="NATS_MAX_FILE_STORE"):
        await streams.apply(bus.js, room="plenty")
