"""What a run was like for those who waited and for those who worked, queue by queue."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import ceil, nan

from .run import AgentResult, CallResult, Fate, Result
from .scenario import EVERYTHING, Scenario


@dataclass(frozen=True, slots=True)
class Measures:
    """Times in seconds, shares from 0 to 1; of no calls, not a number."""

    calls: float
    answered: float
    abandoned: float
    """Share of the calls that gave up waiting."""
    turned_away: float
    """Share that the router ended: the queue was full, closed, or they waited too long."""
    unserved: float
    """Share that still waited when nobody came to work any more."""
    delayed: float
    """Share that did not ring at once."""
    service_level: float
    """Share of all calls that was answered within the queue's time."""
    wait_mean: float
    """Time in the queue until the call was answered or gave up."""
    wait_p50: float
    wait_p90: float
    wait_p99: float
    answer_mean: float
    """Time in the queue of those who were answered."""
    occupancy: float
    """Share of their time that the queue's agents worked, on calls of any queue."""
    gini: float
    """How unequally the work lay on these agents: 0, all alike."""
    jain: float
    """The same by Jain: 1, all alike."""


NAMES = tuple(it.name for it in fields(Measures))


def measured(scenario: Scenario, result: Result) -> dict[str, Measures]:
    """Measure each queue, and all together, from the warm-up to the horizon."""
    counted = [it for it in result.calls if it.call.at >= scenario.warm_up]
    agents = list(result.agents.values())
    by_queue: dict[str, list[CallResult]] = {queue_id: [] for queue_id in scenario.queues}
    for it in counted:
        by_queue[it.call.queue_id].append(it)
    found = {
        queue_id: _measures(
            calls,
            [agent for agent in agents if queue_id in agent.queue_ids],
            _within(scenario, calls),
        )
        for queue_id, calls in by_queue.items()
    }
    found[EVERYTHING] = _measures(counted, agents, _within(scenario, counted))
    return found


def _within(scenario: Scenario, calls: Sequence[CallResult]) -> int:
    """Count the calls that were answered in their queue's time."""
    return sum(
        it.fate is Fate.ANSWERED
        and it.left_line_at - it.call.at <= scenario.queues[it.call.queue_id].service_level_ms
        for it in calls
    )


def _measures(calls: Sequence[CallResult], agents: Sequence[AgentResult], within: int) -> Measures:
    waits = sorted((it.left_line_at - it.call.at) / 1000 for it in calls if it.left_line_at >= 0)
    answered = [(it.left_line_at - it.call.at) / 1000 for it in calls if it.fate is Fate.ANSWERED]
    count = len(calls)
    # Somebody who finishes a call after the shift has worked that long.
    staffed = sum(max(it.staffed * it.capacity, it.worked) for it in agents)
    loads = [
        it.worked / max(it.staffed * it.capacity, it.worked)
        for it in agents
        if it.staffed or it.worked
    ]
    return Measures(
        calls=count,
        answered=len(answered),
        abandoned=_share(sum(it.fate is Fate.ABANDONED for it in calls), count),
        turned_away=_share(sum(it.fate is Fate.TURNED_AWAY for it in calls), count),
        unserved=_share(sum(it.fate is Fate.WAITS for it in calls), count),
        delayed=_share(sum(it.offered_at != it.call.at for it in calls), count),
        service_level=_share(within, count),
        wait_mean=_share(sum(waits), len(waits)),
        wait_p50=percentile(waits, 0.5),
        wait_p90=percentile(waits, 0.9),
        wait_p99=percentile(waits, 0.99),
        answer_mean=_share(sum(answered), len(answered)),
        occupancy=_share(sum(it.worked for it in agents), staffed),
        gini=gini(loads),
        jain=jain(loads),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the least value that so large a share does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else nan


def gini(loads: Sequence[float]) -> float:
    """Return 0 when all carry alike, and almost 1 when one carries everything."""
    total, count = sum(loads), len(loads)
    if not total:
        return nan
    ranked = sum(rank * load for rank, load in enumerate(sorted(loads), 1))
    return 2 * ranked / (count * total) - (count + 1) / count


def jain(loads: Sequence[float]) -> float:
    """Return 1 when all carry alike, and 1/n when one of n carries everything."""
    squares = len(loads) * sum(load * load for load in loads)
    return sum(loads) ** 2 / squares if squares else nan


def _share(part: float, of: float) -> float:
    return part / of if of else nan
