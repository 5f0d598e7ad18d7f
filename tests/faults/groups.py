"""What the contract says of groups, for the ledger: who belongs, in which order, how many ring."""

from hashlib import blake2b

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire


def members(group: wire.GroupConfigured | None) -> list[str]:
    """Return who belongs to a group; nobody to one that is unknown or removed."""
    return [] if group is None or group.removed else list(dict.fromkeys(group.member_ids))


def at_once(group: wire.GroupConfigured) -> bool:
    """Tell whether a group rings at all its members."""
    return group.ring_strategy == directory.RING_STRATEGY_SIMULTANEOUS


def turn(group: wire.GroupConfigured, task_id: str, agent_id: str) -> int:
    """Return whose turn it is: the least is rung first, and equal ones at once."""
    if at_once(group):
        return 0
    order = members(group)
    if group.ring_strategy == directory.RING_STRATEGY_RANDOM:
        order.sort(key=lambda it: blake2b(f"{task_id}/{it}".encode()).digest())
    return order.index(agent_id)
