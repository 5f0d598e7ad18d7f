"""A person outside who writes or calls. Values in, values out."""

from dataclasses import dataclass, replace

from .events import Created, Event, Updated
from .identity import Identity


@dataclass(frozen=True, slots=True)
class Contact:
    """`version` is that of the stored document; 0 means it is not stored yet."""

    tenant_id: str
    id: str
    identities: tuple[Identity, ...]
    display_name: str = ""
    version: int = 0

    def named(self, told: str) -> "Contact":
        """Take the name a channel tells, but only while nobody has given a better one."""
        if self.display_name or not told:
            return self
        return replace(self, display_name=told)


def first_seen(tenant_id: str, contact_id: str, identity: Identity, told: str) -> Contact:
    """Return the new contact behind an identity nobody has seen."""
    return Contact(tenant_id, contact_id, (identity,)).named(told)


def event_of(before: Contact) -> Event:
    """Return what saving a change of `before` tells the others."""
    if before.version == 0:
        return Created(before.tenant_id, before.id)
    return Updated(before.tenant_id, before.id, before.version + 1)
