"""Who a sender is, asked of contacts and remembered: the answer never changes."""

from collections import OrderedDict
from typing import TYPE_CHECKING

import grpc
from centralita.contacts.v1.contacts_service_pb2 import Identity, ResolveContactRequest
from grpc import StatusCode

from services.conversations.domain.errors import Unusable
from services.conversations.domain.received import Known, Sender

if TYPE_CHECKING:  # the generated code has it for type checkers only
    from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceAsyncStub

MOST_REMEMBERED = 10_000

_Key = tuple[str, str, str, str]


class GrpcContacts:
    def __init__(self, stub: "ContactsServiceAsyncStub") -> None:
        self._stub = stub
        # The value's second part: whether contacts has heard a name of them already.
        self._known: OrderedDict[_Key, tuple[str, bool]] = OrderedDict()

    async def resolve(self, sender: Sender) -> Known:
        key = (sender.tenant_id, sender.channel, sender.channel_account_id, sender.address)
        contact_id, named = self._known.get(key, ("", False))
        if contact_id and (named or not sender.name):
            self._known.move_to_end(key)
            return Known(contact_id, new=False)
        found = await self._ask(sender)
        self._known[key] = (found.contact_id, bool(sender.name))
        self._known.move_to_end(key)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _ask(self, sender: Sender) -> Known:
        request = ResolveContactRequest(
            tenant_id=sender.tenant_id,
            identity=Identity(
                channel=sender.channel,
                channel_account_id=sender.channel_account_id,
                address=sender.address,
            ),
            display_name=sender.name,
        )
        try:
            answer = await self._stub.ResolveContact(request)
        except grpc.aio.AioRpcError as no:
            if no.code() is StatusCode.INVALID_ARGUMENT:
                raise Unusable("No contact can have this address.") from no
            raise
        return Known(answer.contact_id, answer.created)
