"""The place of one resource: where it is, was, or may be."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from .errors import VersionStale

T_co = TypeVar("T_co", covariant=True)
N = TypeVar("N")


@dataclass(frozen=True, slots=True)
class Slot(Generic[T_co]):
    """A key, what is there (None: nothing), and how often that has changed.

    The version goes on rising through removal and return, because readers of the state
    events ignore what is not newer.
    """

    tenant_id: str
    id: str
    value: T_co | None = None
    version: int = 0
    incarnation: int = 0
    """The version with which what is there was made; 0: it was there before this was counted."""

    def expecting(self, version: int) -> None:
        """Refuse a caller who has read another version; 0 takes whatever is there."""
        current = self.version if self.value is not None else 0
        if version not in {0, current}:
            raise VersionStale(
                "It changed since you read it. Read it again, then send its version.",
                id=self.id,
                currentVersion=str(current),
            )

    def holding(self, value: N) -> "Slot[N]":
        """Return the slot with this in it: made anew if nothing was there."""
        incarnation = self.version + 1 if self.value is None else self.incarnation
        return Slot(self.tenant_id, self.id, value, self.version, incarnation)

    def emptied(self) -> "Slot[T_co]":
        return replace(self, value=None, incarnation=0)
