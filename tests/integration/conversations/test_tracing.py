"""From the customer's message to the router's events a chat is one trace."""

from datetime import UTC, datetime

from services.kernel.wire import outgoing
from tests.integration.conversations.rig import Rig
from tests.integration.conversations.test_reconciling import router
from tests.streams import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_a_chat_is_one_trace_through_the_outbox_and_the_router(rig: Rig) -> None:
    async with router(rig):
        event = rig.received("p-1")
        at = datetime.now(UTC)
        await rig.bus.publish(outgoing(event, event_id="traced", at=at, traceparent=PARENT))

        async def traces() -> set[str]:
            found = set()
            for subject in ("conversations.v1.conversation.opened", "dispatch.v1.task.queued.chat"):
                stream = subject.partition(".")[0].upper()
                state = (await rig.bus.js.stream_info(stream)).state
                for sequence in range(state.first_seq, state.last_seq + 1):
                    message = await rig.bus.js.get_msg(stream, sequence)
                    if message.subject == f"cc.{rig.tenant}.{subject}":
                        parent = (message.headers or {}).get("traceparent", "")
                        found.add(f"{stream} {parent.split('-')[1] if parent else 'none'}")
            return found if len(found) > 1 else set()

        assert await until(traces, within=15) == {f"CONVERSATIONS {TRACE}", f"DISPATCH {TRACE}"}
