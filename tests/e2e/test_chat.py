"""The chat path through the one door: real NATS, a MongoDB wire server, Envoy."""

import asyncio
import json

import grpc
import pytest
from centralita.conversations.v1.conversations_service_pb2 import GetConversationRequest
from centralita.conversations.v1.resources_pb2 import CONVERSATION_STATE_CLOSED, Conversation
from centralita.options.v1.options_pb2 import ROLE_MANAGER
from centralita.presence.v1.events_pb2 import Cause, Status
from centralita.workspace.v1.resources_pb2 import (
    CARD_STATE_ASSIGNED,
    CARD_STATE_OFFERED,
    CARD_STATE_WAITING,
    Card,
)

from tests.e2e.people import PATIENCE_S, Agent, Edge, desk, refusal, sign, some, until

NOT_NOW = grpc.StatusCode.FAILED_PRECONDITION


async def test_a_chat_reaches_an_agent_and_the_answer_reaches_the_customer(edge: Edge) -> None:
    async with desk(edge) as it, it.agents[0].at_work() as ana:
        status, _ = await it.customer.write("is my order on its way?")
        assert status == 202
        offer = await ana.offer()
        await ana.accept(offer.conversation_id)
        await ana.reply(offer.conversation_id, "it left this morning")

        reply = await it.customer.reply("it left this morning")

        assert reply["recipientAddress"] == it.customer.address
        said = [one.text for one in await ana.messages(offer.conversation_id)]
        assert said == ["is my order on its way?", "it left this morning"]
        await ana.close(offer.conversation_id)
        await until(lambda: offer.conversation_id not in ana.view or None)
        conversation = await _conversation(ana, offer.conversation_id)
        assert conversation.state == CONVERSATION_STATE_CLOSED


async def test_a_message_after_the_end_opens_a_new_conversation(edge: Edge) -> None:
    async with desk(edge) as it, it.agents[0].at_work() as ana:
        await it.customer.write("one")
        first = await ana.offer()
        await ana.accept(first.conversation_id)
        await ana.close(first.conversation_id)
        await until(lambda: first.conversation_id not in ana.view or None)
        await it.customer.write("two")

        second = await ana.offer()

        assert second.conversation_id != first.conversation_id
        assert second.contact_id == first.contact_id


async def test_what_crossed_a_close_rings_first_at_who_closed_and_then_at_others(
    edge: Edge,
) -> None:
    async with (
        desk(edge, agents=2) as it,
        it.agents[0].at_work() as ana,
        it.agents[1].at_work() as ben,
    ):
        await it.customer.write("one")
        first, idle = await _rung(ana, ben)
        task_id = (await first.offer()).conversation_id
        await first.accept(task_id)
        await it.customer.write("two")
        await _written(first, task_id, "two")

        closed = await first.close(task_id, seen=1)

        assert (await first.offer()).conversation_id == closed.continued_by
        await first.decline(closed.continued_by)
        assert (await idle.offer()).conversation_id == closed.continued_by


async def test_the_same_message_posted_ten_times_at_once_is_one_message(edge: Edge) -> None:
    async with desk(edge) as it, it.agents[0].at_work() as ana:
        posts = [it.customer.write("hello", "the-same-id") for _ in range(10)]
        assert {status for status, _ in await asyncio.gather(*posts)} == {202}
        offer = await ana.offer()
        await ana.accept(offer.conversation_id)

        assert len(await ana.messages(offer.conversation_id)) == 1
        assert len(ana.view) == 1


async def test_two_agents_who_want_one_task_have_one_winner(edge: Edge) -> None:
    async with (
        desk(edge, agents=2) as it,
        it.agents[0].at_work(receive_new=False) as ana,
        it.agents[1].at_work(receive_new=False) as ben,
    ):
        await it.customer.write("who takes me?")
        card = await ana.card(CARD_STATE_WAITING)
        await ben.card(CARD_STATE_WAITING)

        outcomes = await asyncio.gather(
            ana.assign(card.conversation_id, ana.id),
            ben.assign(card.conversation_id, ben.id),
            return_exceptions=True,
        )

        lost = [one for one in outcomes if isinstance(one, grpc.aio.AioRpcError)]
        assert [one.code() for one in lost] == [NOT_NOW]
        winner, loser = (ana, ben) if isinstance(outcomes[1], Exception) else (ben, ana)
        await winner.card(CARD_STATE_ASSIGNED, card.conversation_id)
        await until(lambda: card.conversation_id not in loser.view or None)


async def test_a_declined_task_rings_at_the_colleague_with_its_age(edge: Edge) -> None:
    async with (
        desk(edge, agents=2) as it,
        it.agents[0].at_work() as ana,
        it.agents[1].at_work() as ben,
    ):
        await it.customer.write("anyone?")
        first, second = await _rung(ana, ben)
        offer = await first.offer()
        await first.decline(offer.conversation_id)

        again = await second.offer()

        assert again.conversation_id == offer.conversation_id
        assert again.opened_at == offer.opened_at
        assert await refusal(first.accept(offer.conversation_id)) == (NOT_NOW, "OFFER_NOT_YOURS")
        await second.accept(again.conversation_id)


async def test_who_lets_offers_pass_is_banned_until_they_turn_to_work_again(edge: Edge) -> None:
    async with desk(edge, offer_timeout_s=1) as it, it.agents[0].at_work() as ana:
        for address in ("one", "two", "three"):  # in a row: the demo's policy
            await it.customer.write("only you are there", address=some(address))
        offer = await ana.offer()
        await ana.decline(offer.conversation_id)
        banned = await ana.shows(Status.STATUS_BANNED)
        await ana.card(CARD_STATE_WAITING, offer.conversation_id)
        assert (banned.ban.cause, banned.receive_new) == (Cause.CAUSE_OFFER_IGNORED, False)

        await ana.receive_new(True)

        again = await ana.offer()
        await ana.accept(again.conversation_id)


async def test_a_task_that_rings_out_goes_on_and_stays_in_sight(edge: Edge) -> None:
    async with desk(edge, offer_timeout_s=1) as it, it.agents[0].at_work() as ana:
        await it.customer.write("hello?")
        offer = await ana.offer()

        waiting = await ana.card(CARD_STATE_WAITING, offer.conversation_id)

        assert waiting.standing.queue_id == it.queue_id
        assert await refusal(ana.accept(offer.conversation_id)) == (NOT_NOW, "OFFER_NOT_YOURS")
        await ana.assign(offer.conversation_id, ana.id)
        await ana.card(CARD_STATE_ASSIGNED, offer.conversation_id)


async def test_a_supervisor_gives_a_waiting_task_to_a_colleague(edge: Edge) -> None:
    async with (
        desk(edge, agents=2) as it,
        it.agents[0].at_work(receive_new=False) as ana,
        it.agents[1].at_work(receive_new=False) as ben,
    ):
        await it.customer.write("please")
        card = await ana.card(CARD_STATE_WAITING)
        await ana.assign(card.conversation_id, ben.id)

        await ben.card(CARD_STATE_ASSIGNED, card.conversation_id)

        assert await refusal(ana.reply(card.conversation_id, "mine!")) == (
            grpc.StatusCode.NOT_FOUND,  # a colleague's conversation is none of hers
            "CONVERSATION_NOT_FOUND",
        )


async def test_who_leaves_loses_the_offer_to_a_colleague(edge: Edge) -> None:
    async with desk(edge, agents=2) as it, it.agents[1].at_work(receive_new=False) as ben:
        async with it.agents[0].at_work() as ana:
            await it.customer.write("hello")
            offer = await ana.offer()
            await ben.receive_new(True)
        again = await ben.offer()
        assert again.conversation_id == offer.conversation_id


async def test_other_desks_see_nothing_and_managers_see_all(edge: Edge) -> None:
    async with (
        desk(edge) as it,
        desk(edge) as other,
        desk(edge, role=ROLE_MANAGER) as managers,
        other.agents[0].at_work(receive_new=False) as stranger,
        managers.agents[0].at_work(receive_new=False) as manager,
    ):
        await it.customer.write("private")

        def private() -> Card | None:
            of_desk = (
                card for card in manager.view.values() if card.standing.queue_id == it.queue_id
            )
            return next(of_desk, None)

        card = await until(private)
        assert stranger.view == {}
        code, reason = await refusal(stranger.assign(card.conversation_id, stranger.id))
        assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "TASK_NOT_IN_YOUR_QUEUES")
        conversation = GetConversationRequest(conversation_id=card.conversation_id)
        code, reason = await refusal(
            stranger.conversations.GetConversation(conversation, metadata=stranger.metadata)
        )
        assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND")


async def test_bad_messages_are_refused_with_a_reason(edge: Edge) -> None:
    async with desk(edge) as it:
        customer = it.customer
        good = {"providerMessageId": "m", "senderAddress": "a", "text": "t"}

        async def reason(raw: bytes, signature: str = "") -> tuple[int, str]:
            status, body = await customer.post(raw, signature)
            return status, body["reason"]

        raw = json.dumps(good).encode()
        assert await reason(raw, sign("not the secret", raw)) == (401, "SIGNATURE_REFUSED")
        assert await reason(raw, sign(customer.secret, raw, 1)) == (401, "SIGNATURE_REFUSED")
        assert await reason(b"{not json") == (400, "MESSAGE_MALFORMED")
        for missing, expected in (
            ("providerMessageId", "PROVIDER_MESSAGE_ID_MISSING"),
            ("senderAddress", "SENDER_ADDRESS_MISSING"),
            ("text", "TEXT_MISSING"),
        ):
            body = json.dumps({**good, missing: ""}).encode()
            assert await reason(body) == (400, expected)
        status, _ = await customer.post(json.dumps({**good, "text": "x" * (1 << 20)}).encode())
        assert status == 413


async def test_closed_conversations_take_no_reply(edge: Edge) -> None:
    async with desk(edge) as it, it.agents[0].at_work() as ana:
        await it.customer.write("hello")
        offer = await ana.offer()
        await ana.accept(offer.conversation_id)
        await ana.close(offer.conversation_id)
        assert await refusal(ana.reply(offer.conversation_id, "late")) == (
            NOT_NOW,
            "CONVERSATION_CLOSED",
        )


async def test_a_repeated_request_is_one_reply(edge: Edge) -> None:
    async with desk(edge) as it, it.agents[0].at_work() as ana:
        await it.customer.write("hello")
        offer = await ana.offer()
        request_id = some("r")
        await asyncio.gather(*[ana.accept(offer.conversation_id, request_id) for _ in range(5)])
        replies = [ana.reply(offer.conversation_id, "once", request_id) for _ in range(5)]
        assert len({one.message.message_id for one in await asyncio.gather(*replies)}) == 1
        await it.customer.reply("once")
        assert len(await ana.messages(offer.conversation_id)) == 2


async def _rung(*agents: Agent) -> tuple[Agent, Agent]:
    """Return the agent at whom it rings, and the other."""

    def rings() -> tuple[Agent, Agent] | None:
        for one, other in ((agents[0], agents[1]), (agents[1], agents[0])):
            for card in one.view.values():
                standing = card.standing
                if standing.state == CARD_STATE_OFFERED and standing.agent_id == one.id:
                    return one, other
        return None

    return await until(rings)


async def _written(agent: Agent, conversation_id: str, text: str) -> None:
    """Wait until the last of a conversation's messages says this."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await agent.messages(conversation_id))[-1].text == text:
                return
            await asyncio.sleep(0.02)


async def _conversation(agent: Agent, conversation_id: str) -> Conversation:
    request = GetConversationRequest(conversation_id=conversation_id)
    answer = await agent.conversations.GetConversation(request, metadata=agent.metadata)
    return answer.conversation


pytestmark = pytest.mark.timeout(60)
