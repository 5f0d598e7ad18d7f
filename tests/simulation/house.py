"""What a company has set up in its queues and groups, drawn: any rule beside any other."""

from collections.abc import Sequence
from random import Random

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire

QUEUES = ("sales", "vip", "night")
GROUPS = ("desk", "crew")
RING_MS = 2_000
PAUSES_MS = (0, 1_000, 5_000, 30_000)
"""0: as nobody has said anything."""
WORDS = "Please call again tomorrow."
RINGING = (
    directory.RING_STRATEGY_SIMULTANEOUS,
    directory.RING_STRATEGY_RANDOM,
    directory.RING_STRATEGY_SEQUENTIAL,
)
_NINE = (("UTC", 540), ("Asia/Kolkata", 870), ("America/New_York", 240))
"""Where it is how many minutes after midnight when the clock of the world says nine."""


def queue(dice: Random, queue_id: str, version: int) -> wire.QueueConfigured:
    return wire.QueueConfigured(
        queue_id=queue_id,
        version=version,
        offer_timeout_ms=RING_MS,
        priority=50 + 10 * len(queue_id),
        policy=_policy(dice, queue_id),
        ask_again_after_ms=dice.choice(PAUSES_MS),
    )


def group(dice: Random, group_id: str, version: int, agents: Sequence[str]) -> wire.GroupConfigured:
    return wire.GroupConfigured(
        group_id=group_id,
        version=version,
        member_ids=dice.sample(agents, dice.randint(2, len(agents))),
        ring_strategy=dice.choice(RINGING),
        ring_timeout_ms=RING_MS,
        ask_again_after_ms=dice.choice(PAUSES_MS),
    )


def _policy(dice: Random, queue_id: str) -> wire.QueuePolicy:
    policy = wire.QueuePolicy(
        max_wait_ms=dice.choice((0, 1_500, 3_000)),
        max_waiting=dice.choice((0, 0, 1, 2)),
        overflow=_overflow(dice, queue_id),
        overflow_when_nobody=dice.random() < 0.3,
        business_hours=_hours(dice, queue_id) if dice.random() < 0.3 else None,
        on_agent_lost=dice.choice((directory.ON_AGENT_LOST_HOLD, directory.ON_AGENT_LOST_REQUEUE)),
        after_service=dice.choice(
            (
                directory.AfterService.MODE_UNSPECIFIED,
                directory.AfterService.MODE_UNLIMITED,
                directory.AfterService.MODE_LIMITED,
            )
        ),
    )
    if policy.after_service == directory.AfterService.MODE_LIMITED:
        policy.after_service_limit_ms = 1_500
        policy.after_service_extension_ms = dice.choice((0, 750))
    return policy


def _overflow(dice: Random, queue_id: str) -> directory.Overflow:
    others = [it for it in QUEUES if it != queue_id]
    match dice.randrange(7):
        case 0 | 1 | 2:
            return directory.Overflow(queue_id=dice.choice(others))
        case 3:
            return directory.Overflow(group_id=dice.choice(GROUPS))
        case 4:
            return directory.Overflow(voicemail=True)
        case 5:
            return directory.Overflow(message=WORDS)
        case _:
            return directory.Overflow(end=True)


def _hours(dice: Random, queue_id: str) -> directory.BusinessHours:
    """Open or close at nine, somewhere."""
    zone, nine = dice.choice(_NINE)
    opens, closes = dice.choice(((0, nine), (nine, 1440)))
    return directory.BusinessHours(
        time_zone=zone,
        weekly=[directory.OpenSpan(weekday=1, opens=opens, closes=closes)],
        overflow=_overflow(dice, queue_id),
    )
