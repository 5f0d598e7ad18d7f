"""What the channel reports about a reply: the furthest stands, in whatever order it comes."""

from centralita.ingestion.v1.events_pb2 import DeliveryStatus, DeliveryUpdated

from tests.integration.conversations.rig import Rig, shuffled

SENT = DeliveryStatus.DELIVERY_STATUS_SENT
DELIVERED = DeliveryStatus.DELIVERY_STATUS_DELIVERED
READ = DeliveryStatus.DELIVERY_STATUS_READ
FAILED = DeliveryStatus.DELIVERY_STATUS_FAILED


def report(
    rig: Rig, conversation_id: str, message_id: str, status: DeliveryStatus.ValueType
) -> DeliveryUpdated:
    return DeliveryUpdated(
        tenant_id=rig.tenant,
        conversation_id=conversation_id,
        message_id=message_id,
        status=status,
        cause="NO_ROUTE" if status == FAILED else "",
    )


async def test_reports_out_of_order_end_at_the_furthest(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id)
    wanted = {
        "r-1": ([SENT, DELIVERED, READ, SENT], READ),
        "r-2": ([SENT, FAILED, SENT], FAILED),
        "r-3": ([FAILED, DELIVERED, SENT], DELIVERED),
        "r-4": ([SENT], SENT),
    }
    sent = {each: await rig.reply(conversation_id, each) for each in wanted}
    reports = [
        report(rig, conversation_id, sent[each].message_id, status)
        for each, (statuses, _) in wanted.items()
        for status in statuses
    ]
    await rig.tell(*shuffled(reports))
    await rig.settled()
    found = {m.message_id: m for m in await rig.thread(conversation_id)}
    for each, (_, furthest) in wanted.items():
        message = found[sent[each].message_id]
        assert message.delivery == furthest
        assert message.delivery_cause == ("NO_ROUTE" if furthest == FAILED else "")


async def test_reports_about_nothing_we_know_are_answered(rig: Rig) -> None:
    conversation_id = await rig.opened()
    (inbound,) = await rig.thread(conversation_id)
    await rig.tell(
        report(rig, conversation_id, "message-of-nobody", SENT),
        report(rig, "conversation-of-nobody", "message-of-nobody", SENT),
        report(rig, conversation_id, inbound.message_id, READ),
    )
    await rig.settled()
    assert list(await rig.thread(conversation_id)) == [inbound]
    assert (await rig.bus.js.stream_info("DEAD")).state.messages == 0
