"""Why somebody is offered a task, and everybody else is not.

Looks at each agent of the tenant alone, with the very predicates of which the index is made: the
least ranked whom no filter removes is the one that the index finds.
"""

from enum import StrEnum
from typing import NamedTuple

from .demand import Demand, Load, demand_of, has, has_room, merit, steps_due
from .inputs import QueueMode
from .parties import Agent, Task, order_of, score
from .state import State
from .tenant import Tenant
from .value import value


class Filter(StrEnum):
    """What removes an agent: the first that does. Part of the API, never renamed."""

    NONE = "NONE"
    # They could never get it.
    REMOVED = "REMOVED"
    NOT_IN_QUEUE = "NOT_IN_QUEUE"
    NOT_IN_GROUP = "NOT_IN_GROUP"
    CHANNEL_NOT_HANDLED = "CHANNEL_NOT_HANDLED"
    SKILL_MISSING = "SKILL_MISSING"
    # They could, but not this time.
    EXCLUDED = "EXCLUDED"
    RINGS_ALREADY = "RINGS_ALREADY"
    RESERVED_FOR_OTHER = "RESERVED_FOR_OTHER"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    # They could later, or (NO_CAPACITY) perhaps never.
    NOT_CONNECTED = "NOT_CONNECTED"
    NOT_RECEIVING = "NOT_RECEIVING"
    CHANNEL_NOT_WANTED = "CHANNEL_NOT_WANTED"
    NO_CAPACITY = "NO_CAPACITY"


class Rank(NamedTuple):
    """What agents are compared by, in this order: the least is preferred."""

    refused_at: int
    """When they last refused the task; 0: they have not."""
    minus_wishes_met: int
    score: int
    """As the queue selects: share in use in millionths, turn, or levels; 0 for longest idle.
    In a group, the place."""
    idle_since: int
    idle_order: int
    """Of those whose load changed in the same millisecond, the order in which it did."""
    agent_id: str


@value
class Candidate:
    agent_id: str
    removed_by: Filter
    rank: Rank


def candidates(state: State, task: Task, at: int) -> list[Candidate]:
    """Return every agent of the tenant: first who can take the task now, the best before all.

    The task waits, or is looked at as if it did. `at` is the moment of the decision.
    """
    tenant = state.tenant(task.submitted.tenant_id)
    queue = tenant.queue(task.submitted.queue_id)
    demand = task.demand or demand_of(
        task.submitted, queue, steps_due(queue, task.submitted.enqueued_at, at)
    )
    turns = _turns(tenant, task)
    nobody = _asks_nobody(tenant, task, turns)
    found = (
        Candidate(
            agent.id,
            _removed_by(agent, task, demand, turns, nobody),
            _rank(agent, task, demand, turns),
        )
        for agent in tenant.agents.values()
    )
    return sorted(found, key=lambda it: (it.removed_by is not Filter.NONE, it.rank))


def removed_for_good(agent: Agent, demand: Demand) -> Filter:
    """Return the first filter of those that only a change of settings lets anybody pass."""
    if agent.config.removed:
        return Filter.REMOVED
    if demand.queue_id not in agent.config.queue_ids:
        return Filter.NOT_IN_QUEUE
    if not agent.handles(demand.load):
        return Filter.CHANNEL_NOT_HANDLED
    if not has(dict(agent.config.skills), demand.needs):
        return Filter.SKILL_MISSING
    return Filter.NONE if has_room(agent.capacity, (), demand.load) else Filter.NO_CAPACITY


def _removed_from_group(agent: Agent, demand: Demand, turns: dict[str, int]) -> Filter:
    """A group asks for nothing but that somebody belongs to it."""
    if agent.config.removed:
        return Filter.REMOVED
    if agent.id not in turns:
        return Filter.NOT_IN_GROUP
    if not agent.handles(demand.load):
        return Filter.CHANNEL_NOT_HANDLED
    return Filter.NONE if has_room(agent.capacity, (), demand.load) else Filter.NO_CAPACITY


def _removed_for_now(agent: Agent, load: Load) -> Filter:
    if not agent.presence.connected:
        return Filter.NOT_CONNECTED
    if not agent.receiving:
        return Filter.NOT_RECEIVING
    if load.channel not in agent.channels:
        return Filter.CHANNEL_NOT_WANTED
    return Filter.NONE if agent.fits(load) else Filter.NO_CAPACITY


def _asks_nobody(tenant: Tenant, task: Task, turns: dict[str, int] | None) -> Filter:
    """Return what removes everybody at the moment."""
    if turns is None:
        paused = tenant.modes.get(task.submitted.queue_id) is QueueMode.PAUSED
        return Filter.QUEUE_PAUSED if paused else Filter.NONE
    rings = bool(turns) and tenant.groups.at_once(task) == 0
    return Filter.RINGS_ALREADY if rings else Filter.NONE


def _removed_by(
    agent: Agent, task: Task, demand: Demand, turns: dict[str, int] | None, nobody: Filter
) -> Filter:
    if turns is None:
        never = removed_for_good(agent, demand)
    else:
        never = _removed_from_group(agent, demand, turns)
    if never is not Filter.NONE:
        return never
    if agent.id in task.excluded:
        return Filter.EXCLUDED
    if agent.id in task.offers:
        return Filter.RINGS_ALREADY
    if task.kept_for not in {"", agent.id}:
        return Filter.RESERVED_FOR_OTHER
    if nobody is not Filter.NONE:
        return nobody
    return _removed_for_now(agent, demand.load)


def _rank(agent: Agent, task: Task, demand: Demand, turns: dict[str, int] | None) -> Rank:
    refused_at = task.refused.get(agent.id, 0)
    if turns is not None:
        return Rank(refused_at, 0, turns.get(agent.id, 0), 0, 0, agent.id)
    minus_wishes, qualification = merit(dict(agent.config.skills), demand)
    standing = score(agent, order_of(demand.selection, demand.queue_id))
    # Only one of the two is anything but zero: a queue selects in one way.
    return Rank(
        refused_at,
        minus_wishes,
        qualification + standing,
        agent.idle_since,
        agent.idle_order,
        agent.id,
    )


def _turns(tenant: Tenant, task: Task) -> dict[str, int] | None:
    """Return whose turn it is in the task's group; None when it waits in a queue."""
    if not task.submitted.group_id:
        return None
    return {agent_id: turn for turn, agent_id in enumerate(tenant.groups.in_order(task))}
