"""What each user of the bus may say and hear, written down a second time, and all else refused.

The tables below are nobody's copy: they say in the words of the architecture what a service needs.
A consumer or subject that a service gains is written here as well as in deploy/nats/accounts.conf.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from services.kernel import dead, streams
from services.kernel.dead_letters import heard_streams
from services.kernel.wire import covers
from tests.authorised_nats import authorised_nats
from tests.contract.test_events import EVENTS, subject_of
from tests.contract.test_subscribers import DECLARED

STREAMS = (
    *("ADVISORIES", "AUDIT", "CONTACTS", "CONVERSATIONS", "DEAD", "DEAD_SUBMISSIONS"),
    *("DIRECTORY", "DISPATCH", "DISPATCH_IN", "DISPATCH_JOURNAL", "INBOUND", "INGESTION"),
    *("OUTBOUND", "PRESENCE", "SUBMISSIONS", "WORKSPACE"),
    *("KV_dispatch-leases", "KV_presence-leases"),
    *("KV_health", "OBJ_dispatch-archive", "OBJ_dispatch-snapshots"),
)

FACTS: Mapping[str, tuple[str, ...]] = {
    "contacts": ("contact.created", "contact.updated"),
    "conversations": (
        *("conversation.opened", "conversation.closed", "message.appended", "reply.requested"),
    ),
    "directory": (
        *("user.changed.u", "queue.changed.q", "group.changed.g", "channel-account.changed.c"),
        *("presence-policy.changed.t", "session.ended.s"),
    ),
    "dispatch": (
        *("task.queued.chat", "task.offered.call", "task.assigned.chat", "task.completed.call"),
        *("task.cancelled", "task.overflowed", "offer.ended.chat", "after-service.started.call"),
        "supervisor.acted",
    ),
    "ingestion": ("message.submitted", "message.received", "message.refused", "delivery.updated"),
    "presence": ("agent.changed.u",),
    "workspace": ("card.changed.c", "viewer.changed.u"),
}

DURABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "conversations": {
        "INBOUND": ("append-message",),
        "INGESTION": ("merge-delivery",),
        "DISPATCH": (
            *("note-assignee", "clear-assignee", "close-completed", "close-cancelled"),
            "close-after-service",
        ),
    },
    "dead-letters": {"ADVISORIES": ("keep-given-up",)},
    "dispatch": {
        "CONVERSATIONS": ("submit-task", "close-task"),
        "DIRECTORY": ("configure-queue", "configure-group", "configure-agent", "configure-tenant"),
        "PRESENCE": ("observe-presence",),
    },
    "ingestion": {"SUBMISSIONS": ("accept-message",), "OUTBOUND": ("deliver-reply",)},
    "presence": {
        "DIRECTORY": ("user-changed",),
        "DISPATCH": (
            *("task-queued", "task-offered", "task-assigned", "task-completed", "offer-ended"),
            "after-service-started",
        ),
    },
    "workspace": {
        "CONVERSATIONS": ("conversation-opened", "conversation-closed", "message-appended"),
        "DIRECTORY": ("user-changed",),
        "DISPATCH": (
            *("task-queued", "task-offered", "task-assigned", "task-completed", "task-cancelled"),
            *("offer-ended", "after-service-started"),
        ),
    },
}

# Whose stream a service reads from a point on, keeping no place in it.
READ: Mapping[str, tuple[str, ...]] = {
    "contacts": ("DIRECTORY",),
    "conversations": ("DIRECTORY",),
    "directory": ("DIRECTORY",),
    "dispatch": (
        *("AUDIT", "DIRECTORY", "DISPATCH_IN", "DISPATCH_JOURNAL", "KV_dispatch-leases"),
        *("OBJ_dispatch-archive", "OBJ_dispatch-snapshots"),
    ),
    "ingestion": ("DIRECTORY",),
    "presence": ("DIRECTORY", "PRESENCE", "KV_presence-leases"),
    "workspace": ("DIRECTORY", "WORKSPACE"),
}

# Whose single messages it looks up.
LOOKED_UP: Mapping[str, tuple[str, ...]] = {
    "dead-letters": (
        *("CONVERSATIONS", "DEAD", "DIRECTORY", "DISPATCH", "INBOUND", "INGESTION", "OUTBOUND"),
        *("PRESENCE", "SUBMISSIONS", "DEAD_SUBMISSIONS"),
    ),
    "dispatch": (
        *("DISPATCH_JOURNAL", "KV_dispatch-leases"),
        *("OBJ_dispatch-archive", "OBJ_dispatch-snapshots"),
    ),
    "ingestion": ("INGESTION",),
    "presence": ("KV_presence-leases",),
    "workspace": ("WORKSPACE",),
}

PLACES = (
    *("dispatch.in.0", "dispatch.journal.0", "dispatch.wait.0", "dispatch.queue.0"),
    *("dispatch.work.0", "dispatch.tasks.0", "dispatch.chats.0"),
    *("webchat.t.a.v", "$KV.dispatch-leases.k", "$KV.presence-leases.k"),
    *("$O.dispatch-snapshots.C.n", "$O.dispatch-snapshots.M.n"),
    *("$O.dispatch-archive.C.n", "$O.dispatch-archive.M.n"),
    *(f"$KV.health.{service}" for service in FACTS),
)

# What else they say: each line is a reason of its own.
SAID: Mapping[str, tuple[str, ...]] = {
    "streams": (
        *("$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.NEW"),
        *(
            f"$JS.API.{verb}.{stream}"
            for verb in (
                *("STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE"),
                *("CONSUMER.NAMES", "CONSUMER.LIST"),
            )
            for stream in STREAMS
        ),
    ),
    "dead-letters": (
        *(f"$JS.API.STREAM.INFO.{stream}" for stream in STREAMS),
        *(
            f"$JS.API.STREAM.MSG.DELETE.{stream}"
            for stream in ("DEAD", "DEAD_SUBMISSIONS", "SUBMISSIONS", "INBOUND", "OUTBOUND")
        ),
    ),
    "dispatch": (
        *(place for place in PLACES if "dispatch" in place and "health" not in place),
        "_INBOX_dispatch.i",
        *(f"$JS.API.STREAM.PURGE.OBJ_dispatch-{name}" for name in ("archive", "snapshots")),
    ),
    "ingestion": ("webchat.t.a.v",),
    "presence": ("$KV.presence-leases.k",),
    "connector": ("cc.t.ingestion.v1.message.submitted",),
}
HEARD: Mapping[str, tuple[str, ...]] = {
    "dispatch": (
        *("dispatch.wait.0", "dispatch.queue.0", "dispatch.work.0"),
        *("dispatch.tasks.0", "dispatch.chats.0"),
    ),
    "ingestion": ("webchat.t.a.v", "webchat.*.*.*"),
    "connector": ("_INBOX.i", "_INBOX.>"),
}

USERS = ("streams", "dead-letters", "connector", *FACTS)


@dataclass(frozen=True)
class Durable:
    owner: str
    stream: str
    name: str

    def __str__(self) -> str:
        return f"{self.stream}.{self.name}"

    def needed(self) -> Iterator[str]:
        yield f"$JS.API.CONSUMER.DURABLE.CREATE.{self}"
        yield f"$JS.API.CONSUMER.MSG.NEXT.{self}"
        yield f"$JS.ACK.{self}.1.2.3.4.5"
        yield f"$JS.ACK._.ACCOUNT.{self}.1.2.3.4.5.6"

    def forbidden(self) -> Iterator[str]:
        for verb in ("INFO", "DELETE", "PAUSE", "RESET", "UNPIN", "LEADER.STEPDOWN", "CREATE"):
            yield f"$JS.API.CONSUMER.{verb}.{self}"
        yield f"$JS.API.CONSUMER.CREATE.{self}.cc.*.filter"


ALL_DURABLES = [
    Durable(service, stream, f"{service}-{name}")
    for service, streams in DURABLES.items()
    for stream, names in streams.items()
    for name in names
]
STRANGE = [Durable("nobody", stream, "nobody-made-it") for stream in STREAMS]


def facts(service: str) -> set[str]:
    return {f"cc.t.{service}.v1.{fact}" for fact in FACTS.get(service, ())}


def everything_said() -> list[str]:
    """Return a subject of each kind there is, JetStream's verbs on every stream and durable."""
    of_streams = (
        f"$JS.API.{verb}.{stream}"
        for stream in STREAMS
        for verb in (
            *("STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE"),
            *("STREAM.MSG.GET", "STREAM.MSG.DELETE", "STREAM.SNAPSHOT", "STREAM.RESTORE"),
            *("STREAM.LEADER.STEPDOWN", "STREAM.PEER.REMOVE", "DIRECT.GET"),
            *("CONSUMER.CREATE", "CONSUMER.LIST", "CONSUMER.NAMES"),
        )
    )
    of_durables = (
        (*one.needed(), *one.forbidden(), f"dead.{one}") for one in (*ALL_DURABLES, *STRANGE)
    )
    return list(
        dict.fromkeys(
            [
                *chain.from_iterable(sorted(facts(service)) for service in FACTS),
                *("cc.t.nobody.v1.thing.done", "cc.t", "nobody.else"),
                *(
                    "dead.DISPATCH",
                    "dispatch.else.0",
                    "dispatch.in.0.0",
                    "webchat.t",
                    "webchat.t.a",
                ),
                *(f"_INBOX_{user}.i" for user in USERS),
                "_INBOX.i",
                *PLACES,
                *("$KV.other.k", "$O.other.C.n"),
                *("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"),
                *("$JS.API.META.LEADER.STEPDOWN", "$JS.API.SERVER.REMOVE"),
                *("$JS.API.ACCOUNT.PURGE.CENTRALITA", "$JS.API.STREAM.CREATE.NEW"),
                *("$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.CENTRALITA.CONNZ"),
                "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.DISPATCH.presence-task-queued",
                *(f"$JS.FC.{stream}.consumer.i" for stream in STREAMS),
                *of_streams,
                *chain.from_iterable(of_durables),
            ]
        )
    )


def may_say(user: str) -> set[str]:
    """Return what a user may say of all that."""
    own = [one for one in ALL_DURABLES if one.owner == user]
    said = {*facts(user), *SAID.get(user, ())}
    if user in FACTS:
        said.add(f"$KV.health.{user}")
    said.update(*(one.needed() for one in own), (f"dead.{one}" for one in own))
    said.update(f"$JS.API.STREAM.MSG.GET.{stream}" for stream in LOOKED_UP.get(user, ()))
    for stream in READ.get(user, ()):
        said |= {f"$JS.API.STREAM.INFO.{stream}", f"$JS.API.CONSUMER.CREATE.{stream}"}
        said.add(f"$JS.FC.{stream}.consumer.i")
    if user == "streams":
        said |= {
            f"$JS.API.CONSUMER.{verb}.{one}"
            for verb in ("INFO", "DELETE")
            for one in (*ALL_DURABLES, *STRANGE)
        }
    if user == "dead-letters":
        said |= {f"dead.{one}" for one in (*ALL_DURABLES, *STRANGE)}
        said |= set().union(*map(facts, FACTS)) - NEVER_SENT_AGAIN
    return said


# No durable consumer hears these, so that no letter can hold them.
NEVER_SENT_AGAIN = {
    *("cc.t.contacts.v1.contact.created", "cc.t.contacts.v1.contact.updated"),
    *("cc.t.dispatch.v1.supervisor.acted", "cc.t.ingestion.v1.message.refused"),
    "cc.t.directory.v1.channel-account.changed.c",
    "cc.t.directory.v1.session.ended.s",
    *("cc.t.workspace.v1.card.changed.c", "cc.t.workspace.v1.viewer.changed.u"),
}


def everything_heard() -> list[str]:
    wide = (
        *(">", "*", "*.>", "cc.>", "cc.*.>", "cc.t.>", "dispatch.>", "dispatch.*.*", "dead.>"),
        *("webchat.>", "webchat.*.*.*", "$KV.>", "$O.>", "$JS.>", "$JS.API.>", "$JS.ACK.>"),
        *("$JS.EVENT.>", "$SYS.>", "_INBOX.>", "_R_.>"),
        *(f"_INBOX_{user}.>" for user in USERS),
        *(f"cc.*.{service}.>" for service in FACTS),
    )
    return [*wide, *everything_said()]


def may_hear(user: str) -> set[str]:
    return {f"_INBOX_{user}.i", f"_INBOX_{user}.>", *HEARD.get(user, ())}


@pytest.mark.parametrize("verb", ["PUB", "SUB"])
async def test_each_user_may_do_what_it_needs_and_nothing_else(tmp_path: Path, verb: str) -> None:
    every, may = (everything_said(), may_say) if verb == "PUB" else (everything_heard(), may_hear)
    assert len(every) > 700
    async with authorised_nats(tmp_path) as server:
        assert set(server.urls) == set(USERS)
        for user in USERS:
            allowed = may(user)
            assert allowed <= set(every), f"{user} is granted what is not tried"
            done = set(every) - await server.refused(user, verb, every)
            assert not done - allowed, f"{user} may, and should not"
            assert not allowed - done, f"{user} should, and may not"


def test_the_tables_leave_out_no_stream_no_consumer_and_no_event() -> None:
    """What they do not name is tried on nobody."""
    assert set(STREAMS) == {config.name for config in streams.configs()}
    known = {(one.owner, one.stream, one.name) for one in ALL_DURABLES}
    declared = {(service, one.stream.name, one.config.durable_name) for service, one in DECLARED}
    assert known - {("dead-letters", "ADVISORIES", "dead-letters-keep-given-up")} == declared
    assert {one.stream for one in ALL_DURABLES} - {"ADVISORIES"} == heard_streams()
    assert set(LOOKED_UP["dead-letters"]) == heard_streams() | set(dead.STREAMS)
    said = set().union(*map(facts, FACTS))
    for event in EVENTS:
        pattern = re.sub(r"\{\w+\}", "*", subject_of(event))
        assert any(covers(pattern, subject) for subject in said), pattern
