"""The bounds of single fields that are asked over gRPC: what does not pass is named."""

from collections.abc import Sequence

from centralita.directory.v1.resources_pb2 import SkillNeed

from services.kernel.ids import is_token

from .domain.errors import Invalid
from .domain.inputs import Channel

HIGHEST_PRIORITY = 100
HIGHEST_LEVEL = 5
MOST_SKILLS = 50
CHANNELS = frozenset(channel.value for channel in Channel)


def token(given: str, field: str) -> str:
    """Return an id that may be a part of a subject."""
    if not is_token(given):
        raise Invalid(
            "FIELD_INVALID", f"Name the {field}: 1 to 64 letters, digits, - or _.", field=field
        )
    return given


def token_or_none(given: str, field: str) -> str:
    """Return an id that may be left out: empty then."""
    return token(given, field) if given else given


def destination(queue_id: str, group_id: str) -> None:
    """Insist on a queue or a group, and not both."""
    named = [it for it in (queue_id, group_id) if it]
    if len(named) != 1 or not is_token(named[0]):
        raise Invalid("DESTINATION_INVALID", "Name a queue_id or a group_id, and not both.")


def request_id(actor_id: str, given: str) -> str:
    """Make the client's id the caller's own, so that nobody is answered for somebody else."""
    if not is_token(given):
        raise Invalid(
            "REQUEST_ID_INVALID",
            "Send a request_id of 1 to 64 letters, digits, - or _, made anew for each command.",
        )
    return f"{actor_id}/{given}"


def priority(given: int) -> int:
    """Return 1 to 100; or 0, which leaves it to the queue."""
    return _at_most(given, HIGHEST_PRIORITY, "priority")


def channel(given: int) -> Channel:
    """Return a channel there is; unset, it is chat."""
    if given and given not in CHANNELS:
        raise Invalid("FIELD_INVALID", "Name a channel there is.", field="channel")
    return Channel(given or Channel.CHAT)


def skills(given: Sequence[SkillNeed]) -> Sequence[SkillNeed]:
    """Return 50 needs and wishes at most, each skill once, of levels 1 to 5."""
    _at_most(len(given), MOST_SKILLS, "skills")
    for one in given:
        token(one.skill_id, "skills.skill_id")
        if not 1 <= one.level <= HIGHEST_LEVEL:
            raise Invalid("FIELD_INVALID", "Send a level of 1 to 5.", field="skills.level")
    if len({one.skill_id for one in given}) < len(given):
        raise Invalid("FIELD_INVALID", "Name each skill once.", field="skills.skill_id")
    return given


def few(given: Sequence[str], most: int, field: str) -> Sequence[str]:
    """Return a list that is not too long."""
    _at_most(len(given), most, field)
    return given


def _at_most(given: int, most: int, field: str) -> int:
    if given > most:
        raise Invalid("FIELD_INVALID", f"Send {field}: {most} at most.", field=field)
    return given
