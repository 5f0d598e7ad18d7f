"""The work in a queue or at a group, which a removal must not leave without a place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks wait or ring: a queue, or else a group."""

    tenant_id: str
    queue_id: str = ""
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Tasks there by how they stand. After-service is none: it ends where it is."""

    waiting: int = 0
    ringing: int = 0
    in_service: int = 0

    def __bool__(self) -> bool:
        return self != Work()

    @property
    def counts(self) -> dict[str, str]:
        return {
            "waiting": str(self.waiting),
            "ringing": str(self.ringing),
            "inService": str(self.in_service),
        }
