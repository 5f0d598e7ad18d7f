"""A customer writes: the message joins the lane's open conversation, or opens one."""

from collections.abc import Callable
from contextlib import suppress

from services.conversations.domain.conversation import Conversation, Incoming, Lane, opening
from services.conversations.domain.errors import MessageIdReused, Stale
from services.conversations.domain.message import Message
from services.conversations.domain.received import Received
from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.kernel.turns import Turns

from .continuing import Continue
from .ports import Contacts, Conversations, Messages
from .staging import MOST_STAGED, StoreStaged


class AppendMessage:
    """Repeatable: a message that was appended before, however long ago, changes nothing."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one thing it needs; a bundle would only hide them
        self,
        contacts: Contacts,
        conversations: Conversations,
        messages: Messages,
        store: StoreStaged,
        go_on: Continue,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._contacts = contacts
        self._conversations = conversations
        self._messages = messages
        self._store = store
        self._go_on = go_on
        self._clock = clock
        self._new_id = new_id
        self._turns: Turns[Lane] = Turns()  # saves lost races, nothing more: the write decides

    async def __call__(self, received: Received) -> None:
        """Append it. Raises Unusable for a sender who can never be a contact of ours.

        Likewise, as MessageIdReused, for another text under an id that the sender has used.
        """
        sender = received.sender
        known = await self._contacts.resolve(sender)
        lane = Lane(sender.tenant_id, sender.channel_account_id, known.contact_id)
        async with self._turns.of(lane):
            if not (known.new and await self._greet(lane, received.incoming)):
                await self._append(lane, received.incoming)

    async def _greet(self, lane: Lane, incoming: Incoming) -> bool:
        # Nothing is there of a contact that was made a moment ago, so nobody looks. Whoever was
        # faster all the same has the ordinal, and the usual way finds what they did.
        with suppress(Stale):
            await self._receive(None, lane, incoming)
            return True
        return False

    @again_if(Stale)
    async def _append(self, lane: Lane, incoming: Incoming) -> None:
        # The conversation first, the messages second (see staging). A duplicate that is appended
        # after the first look changes the version, or takes the ordinal, that is saved under.
        latest = await self._conversations.latest_in(lane)
        if latest is not None and await self._go_on(latest):
            latest = await self._conversations.latest_in(lane)
        known = await self._known(latest, lane, incoming)
        if known is None:
            await self._receive(latest, lane, incoming)
        elif known.text != incoming.text:
            raise MessageIdReused("The sender's message of this id says something else.")

    async def _known(
        self, latest: Conversation | None, lane: Lane, incoming: Incoming
    ) -> Message | None:
        """Return the message as it was appended before, if it was."""
        if latest is not None:
            staged = latest.holds(incoming.message_id) or latest.holds(incoming.former_id)
            if staged is not None:
                return staged
        stored = await self._messages.inbound(
            lane.tenant_id, incoming.message_id, incoming.former_id
        )
        if stored is None or stored.message.id == incoming.message_id:
            return stored and stored.message
        # Senders of the account shared that id; whose it was, only its conversation knows.
        it = await self._conversations.get(lane.tenant_id, stored.conversation_id)
        return stored.message if it.lane == lane else None

    async def _receive(self, latest: Conversation | None, lane: Lane, incoming: Incoming) -> None:
        now = self._clock()
        if latest is None or latest.closed:
            ordinal = latest.ordinal + 1 if latest else 1
            it = opening(self._new_id(), lane, ordinal, incoming, now)
        else:
            it = latest
        events = it.receive(incoming, now)
        await self._conversations.save(it, *events)
        after = it.apply(*events)
        if len(after.staged) >= MOST_STAGED:
            await self._store.now(after, after.staged)
