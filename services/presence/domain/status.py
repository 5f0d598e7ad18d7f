"""What an agent's badge can show, what an agent can choose, and why either changed."""

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """What the badge shows. The numbers are those of the public contract."""

    OFFLINE = 1
    ONLINE = 2
    READY = 3
    DND = 4
    DIALING = 5
    IN_SERVICE = 6
    AFTER_SERVICE = 7
    BANNED = 8
    CUSTOM = 9


class Cause(IntEnum):
    """Why the presence changed. The numbers are those of the public contract."""

    NEVER_SEEN = 0
    CONNECTED = 1
    DISCONNECTED = 2
    LEASE_EXPIRED = 3
    CHOSEN = 4
    FORCED = 5
    WORK = 6
    OFFER_DECLINED = 7
    OFFER_IGNORED = 8
    COOLED_DOWN = 9
    NEXT_STATUS = 10
    DEVICE_UNREACHABLE = 11
    CALLER_GAVE_UP = 12


class Channel(IntEnum):
    """A kind of work. The numbers are those of the public contract."""

    CHAT = 1
    CALL = 2
    VOICEMAIL = 3


class Stage(IntEnum):
    """How far an agent is with calls. Of several calls the highest counts."""

    NONE = 0
    AFTER_SERVICE = 1
    DIALING = 2
    IN_SERVICE = 3


@dataclass(frozen=True, slots=True)
class Badge:
    """A status; one of the tenant's own has its id beside it."""

    status: Status
    custom_status_id: str = ""


OFFLINE = Badge(Status.OFFLINE)
ONLINE = Badge(Status.ONLINE)
READY = Badge(Status.READY)
DND = Badge(Status.DND)
BANNED = Badge(Status.BANNED)

CHOICES = frozenset({Status.ONLINE, Status.READY, Status.DND, Status.CUSTOM})
"""What can be chosen; everything else follows."""

_AT_WORK = {
    Stage.DIALING: Badge(Status.DIALING),
    Stage.IN_SERVICE: Badge(Status.IN_SERVICE),
    Stage.AFTER_SERVICE: Badge(Status.AFTER_SERVICE),
}


def badge(*, connected: bool, stage: Stage, banned: bool, chosen: Badge) -> Badge:
    """Derive the badge from the four facts.

    Who is not connected is offline; a call shows before everything that was chosen; and a ban is
    what Ready becomes: on Dnd, say, nothing is offered anyway.
    """
    if not connected:
        return OFFLINE
    if stage is not Stage.NONE:
        return _AT_WORK[stage]
    return BANNED if banned and chosen == READY else chosen
