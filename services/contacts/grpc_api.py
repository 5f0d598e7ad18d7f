"""ContactsService over gRPC: translate, delegate, translate back."""

from collections.abc import Mapping
from typing import Any

from centralita.contacts.v1 import contacts_service_pb2 as pb
from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceServicer
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from . import messages
from .domain import errors
from .use_cases import ReadContacts, ResolveContact

Context = ServicerContext[Any, Any]

CODES: Mapping[type[Exception], StatusCode] = {
    errors.IdentityInvalid: StatusCode.INVALID_ARGUMENT,
    errors.TooManyIds: StatusCode.INVALID_ARGUMENT,
    errors.ContactNotFound: StatusCode.NOT_FOUND,
    errors.Stale: StatusCode.ABORTED,
}


class ContactsApi(ContactsServiceServicer):
    """The tenant comes from the token; only a service, which has none, names it."""

    def __init__(self, resolve: ResolveContact, read: ReadContacts) -> None:
        self._resolve = resolve
        self._read = read

    async def ResolveContact(
        self, request: pb.ResolveContactRequest, context: Context
    ) -> pb.ResolveContactResponse:
        contact_id, created = await self._resolve(
            request.tenant_id,
            messages.to_identity(request.identity),
            messages.to_display_name(request.display_name),
        )
        return pb.ResolveContactResponse(contact_id=contact_id, created=created)

    async def GetContact(
        self, request: pb.GetContactRequest, context: Context
    ) -> pb.GetContactResponse:
        found = await self._read.one(caller().tenant_id, request.contact_id)
        return pb.GetContactResponse(contact=messages.from_contact(found))

    async def BatchGetContacts(
        self, request: pb.BatchGetContactsRequest, context: Context
    ) -> pb.BatchGetContactsResponse:
        found = await self._read.several(caller().tenant_id, request.contact_ids)
        return pb.BatchGetContactsResponse(contacts=map(messages.from_contact, found))
