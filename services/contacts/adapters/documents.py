"""Contacts as documents and back."""

from typing import Any

from services.contacts.domain.contact import Contact
from services.contacts.domain.identity import Identity


def to_contact(document: dict[str, Any]) -> Contact:
    return Contact(
        tenant_id=document["tenant_id"],
        id=document["_id"],
        identities=tuple(
            Identity(each["channel"], each["channel_account_id"], each["address"])
            for each in document["identities"]
        ),
        display_name=document["display_name"],
        version=document["version"],
    )


def from_contact(it: Contact) -> dict[str, Any]:
    """Return the document of a contact that is stored for the first time."""
    return {
        "_id": it.id,
        "tenant_id": it.tenant_id,
        "identities": [
            {
                "key": each.key,
                "channel": each.channel,
                "channel_account_id": each.channel_account_id,
                "address": each.address,
            }
            for each in it.identities
        ],
        "display_name": it.display_name,
        "version": it.version + 1,
    }
