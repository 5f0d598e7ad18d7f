"""A stranger on the bus reaches one stream with one subject, and steers nothing else by it."""

from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError

from services.kernel import streams
from services.kernel.bus import connected
from tests.authorised_nats import AuthorisedNats, authorised_nats
from tests.streams import until

SUBJECT = "cc.demo.ingestion.v1.message.submitted"

# Whatever somebody of ours listens to or keeps, and what JetStream obeys.
LEADS_ELSEWHERE = (
    *(
        "dispatch.journal.0",
        "dispatch.in.0",
        "$KV.presence-leases.evil",
        "$KV.dispatch-leases.evil",
    ),
    *("cc.demo.dispatch.v1.supervisor.acted", "cc.demo.directory.v1.user.changed.ana"),
    *("cc.demo.workspace.v1.card.changed.c", "cc.demo.presence.v1.agent.changed.ana"),
    *("cc.demo.ingestion.v1.message.received", "cc.demo.conversations.v1.reply.requested"),
    *("dead.DISPATCH.presence-task-queued", "$O.dispatch-snapshots.M.evil", "webchat.demo.a.v"),
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.DISPATCH.presence-task-queued",
    *("$JS.API.STREAM.DELETE.DISPATCH", "$JS.API.STREAM.PURGE.DISPATCH_JOURNAL"),
    *("$JS.ACK.INBOUND.conversations-append-message.1.1.1.1.1", "_R_.evil", SUBJECT),
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[AuthorisedNats]:
    async with authorised_nats(tmp_path) as it:
        async with connected(it.urls["streams"], name="streams") as bus:
            await streams.apply(bus.js)
        yield it


@pytest.fixture
async def stranger(server: AuthorisedNats) -> AsyncIterator[Client]:
    """A client as it comes, that passes over what it is refused."""

    async def pass_over(_: Exception) -> None: ...

    client = await nats.connect(server.urls["connector"], error_cb=pass_over)
    yield client
    await client.close()


@pytest.fixture
async def look(server: AuthorisedNats) -> AsyncIterator[JetStreamContext]:
    async with connected(server.urls["dead-letters"], name="dead-letters") as bus:
        yield bus.js


async def _stored(look: JetStreamContext) -> dict[str, int]:
    """Return how many messages each stream has that has any."""
    names = [config.name or "" for config in streams.configs()]
    found = {name: (await look.stream_info(name)).state.messages for name in names}
    return {name: count for name, count in found.items() if count}


async def test_an_ack_leads_nowhere_but_back(stranger: Client, look: JetStreamContext) -> None:
    for reply in LEADS_ELSEWHERE:
        await stranger.publish(SUBJECT, b"{}", reply=reply)
    ack = await stranger.jetstream().publish(SUBJECT, b"{}")
    assert ack.stream == "SUBMISSIONS"
    await until(lambda: _all_stored(look, ack.seq))
    # The last is the ack of the one that was to lead to the stranger's own subject.
    assert (await _stored(look)).keys() == {"SUBMISSIONS"}


async def _all_stored(look: JetStreamContext, least: int) -> bool:
    return (await look.stream_info("SUBMISSIONS")).state.last_seq >= least


@pytest.mark.parametrize(
    "headers",
    [
        {"Nats-Rollup": "all"},
        {"Nats-Rollup": "sub"},
        {"Nats-TTL": "1s"},
        {"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "dispatch.journal.0"},
        {"Nats-Incr": "1"},
        {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"},
        {"Nats-Expected-Last-Sequence": "4711"},
        {"Nats-Expected-Stream": "DISPATCH_JOURNAL"},
        {"Nats-Expected-Last-Msg-Id": "another"},
        {"Nats-Trace-Dest": "dispatch.journal.0"},
        {"Nats-Trace-Dest": "dispatch.journal.0", "Nats-Trace-Only": "true"},
    ],
    ids="+".join,
)
async def test_a_header_that_jetstream_obeys_is_refused_and_changes_nothing(
    stranger: Client, look: JetStreamContext, headers: dict[str, str]
) -> None:
    js = stranger.jetstream()
    await js.publish(SUBJECT, b"another's")
    with pytest.raises((APIError, TimeoutError)):
        await js.publish(SUBJECT, b"{}", headers=headers, timeout=0.5)
    assert await _stored(look) == {"SUBMISSIONS": 1}
    await js.publish(SUBJECT, b"the next")
    assert await _stored(look) == {"SUBMISSIONS": 2}
