"""What happened to contacts: ids only, never personal data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Created:
    tenant_id: str
    contact_id: str


@dataclass(frozen=True, slots=True)
class Updated:
    tenant_id: str
    contact_id: str
    version: int


Event = Created | Updated
