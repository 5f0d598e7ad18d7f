"""A person outside who writes or calls. Values in, values out."""

from dataclasses import dataclass, replace

from .events import Created, Event, Updated
from .identity import Identity

LONGEST_NAME = 100


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
        name = _tidy(told)
        if self.display_name or not name:
            return self
        return replace(self, display_name=name)


def first_seen(tenant_id: str, contact_id: str, identity: Identity, told: str) -> Contact:
    """Return the new contact behind an identity nobody has seen."""
    return Contact(tenant_id, contact_id, (identity,)).named(told)


def event_of(before: Contact) -> Event:
    """Return what saving a change of `before` tells the others."""
    if before.version == 0:
        return Created(before.tenant_id, before.id)
    return Updated(before.tenant_id, before.id, before.version + 1)


def _tidy(told: str) -> str:
    # Cut rather than refuse: a message must not be lost over a long name.
    return " ".join(told.split())[:LONGEST_NAME].rstrip()
