"""Contacts as the messages of the wire, and back."""

from centralita.contacts.v1 import contacts_service_pb2 as pb
from centralita.contacts.v1.events_pb2 import ContactCreated, ContactUpdated
from google.protobuf.message import Message

from services.kernel.text import TextFlaw, fitted

from .domain.contact import Contact
from .domain.errors import IdentityInvalid
from .domain.events import Created, Event, Updated
from .domain.identity import Identity


def from_event(event: Event) -> Message:
    match event:
        case Created(tenant_id=tenant_id, contact_id=contact_id):
            return ContactCreated(tenant_id=tenant_id, contact_id=contact_id)
        case Updated(tenant_id=tenant_id, contact_id=contact_id, version=version):
            return ContactUpdated(tenant_id=tenant_id, contact_id=contact_id, version=version)


def to_identity(it: pb.Identity) -> Identity:
    return Identity.checked(it.channel, it.channel_account_id, it.address)


def to_display_name(told: str) -> str:
    """Return a channel's name for somebody as one of ours.

    Cut rather than refused: a message must not be lost over a long name.
    """
    return fitted(pb.Contact, "display_name", told)


def refused_text(flaw: TextFlaw) -> Exception:
    """Return our word for a text of a request that breaks its rule."""
    return IdentityInvalid(flaw.advice.capitalize(), field=flaw.field.rpartition(".")[2])


def from_contact(it: Contact) -> pb.Contact:
    return pb.Contact(
        contact_id=it.id,
        display_name=it.display_name,
        identities=[
            pb.Identity(
                channel=each.channel,
                channel_account_id=each.channel_account_id,
                address=each.address,
            )
            for each in it.identities
        ],
        version=it.version,
    )
