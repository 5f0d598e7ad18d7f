"""What streams.toml says is what the server has, however often it is applied."""

from pathlib import Path

import pytest
from nats.js.api import RetentionPolicy

from services.kernel import streams
from services.kernel.bus import Bus
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
    file.write_text('[streams.TESTS]\nsubjects = ["tests.>"]\nmax_age = 600\n')
    await streams.apply(bus.js, file)
    await bus.js.publish("tests.one", b"kept")
    file.write_text('[streams.TESTS]\nsubjects = ["tests.>"]\nmax_age = 1200\n')
    await streams.apply(bus.js, file)
    info = await bus.js.stream_info("TESTS")
    assert (info.config.max_age, info.state.messages) == (1200, 1)
    await bus.js.delete_stream("TESTS")


async def test_a_stream_may_keep_copies_of_some_of_anothers_messages(
    bus: Bus, tmp_path: Path
) -> None:
    file = tmp_path / "streams.toml"
    file.write_text(
        '[streams.ALL]\nsubjects = ["tests.>"]\nmax_age = 600\n'
        '[streams.SOME]\ncopies = { ALL = "tests.*.kept" }\n'
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
    file.write_text('[streams.OLD]\nsubjects = ["tests.a", "tests.b"]\n')
    await streams.apply(bus.js, file)
    file.write_text(
        '[streams.NEW]\nsubjects = ["tests.b"]\n[streams.OLD]\nsubjects = ["tests.a"]\n'
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
    file.write_text('[streams.TESTS]\nsubjects = ["tests.>"]\nmax_agee = 60\n')
    with pytest.raises(streams.BadStreams, match="max_agee"):
        await streams.apply(bus.js, file)
