"""What a snapshot holds of one agent, one task, one queue's hours, pace and removal."""

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.domain.decisions import Vacated
from services.dispatch.domain.demand import NO_LOAD, Load
from services.dispatch.domain.estimates import Estimate, Pace, Wait
from services.dispatch.domain.inputs import AgentConfigured, PresenceObserved, TaskSubmitted
from services.dispatch.domain.parties import AfterServiceSpan, Agent, Task
from services.dispatch.domain.tenant import Hours
from services.dispatch.matching import read_load, write_load
from services.dispatch.messages import read_openings, write_openings

from .inputs import (
    read_agent,
    read_presence,
    read_task,
    write_agent,
    write_presence,
    write_task,
)

Offers = tuple[tuple[str, int], ...]
"""At whom it rings, and until when."""
Refusals = tuple[tuple[str, int], ...]
"""Who refused it, and when."""


def write_agent_state(
    config: AgentConfigured,
    presence: PresenceObserved,
    idle_since: int,
    idle_order: int,
    turns: dict[str, int],
) -> wire.AgentState:
    return wire.AgentState(
        tenant_id=config.tenant_id,
        agent=write_agent(config),
        presence=write_presence(presence),
        idle_since_ms=idle_since,
        idle_order=idle_order,
        turns=turns,
    )


def read_agent_state(state: wire.AgentState) -> Agent:
    return Agent(
        state.tenant_id,
        state.agent.agent_id,
        read_agent(state.tenant_id, state.agent),
        read_presence(state.tenant_id, state.presence),
        turns=dict(state.turns),
        idle_since=state.idle_since_ms,
        idle_order=state.idle_order,
    )


def write_task_state(  # noqa: PLR0913, PLR0917 - one argument a column
    submitted: TaskSubmitted,
    revision: int,
    excluded: tuple[str, ...],
    refused: Refusals,
    agent_id: str,
    offers: Offers,
    priority: int,
    waits_since: int,
    overflowed: tuple[str, ...],
    after_service: AfterServiceSpan | None,
    wait: Wait | None,
    load: Load,
    kept_for: str,
    kept_until: int,
    relaxed: int,
) -> wire.TaskState:
    first, *others = offers or ((agent_id, 0),)
    return wire.TaskState(
        tenant_id=submitted.tenant_id,
        task=write_task(submitted),
        revision=revision,
        excluded=excluded,
        agent_id=first[0],
        expires_at_ms=first[1],
        also_rings=[wire.Ring(agent_id=agent, expires_at_ms=until) for agent, until in others],
        priority=priority,
        waits_since_ms=waits_since,
        overflowed=overflowed,
        after_service=None
        if after_service is None
        else wire.AfterServiceSpan(ends_at_ms=after_service.ends_at),
        wait=None if wait is None else _write_wait(wait),
        load=write_load(load),
        kept_for=kept_for,
        kept_until_ms=kept_until,
        relaxed=relaxed,
        refused=[wire.Refused(agent_id=agent, at_ms=at) for agent, at in refused],
    )


def read_task_state(state: wire.TaskState, saved_at: int) -> Task:
    offers = {ring.agent_id: ring.expires_at_ms for ring in state.also_rings}
    if state.expires_at_ms:
        offers[state.agent_id] = state.expires_at_ms
    return Task(
        read_task(state.tenant_id, state.task),
        state.revision,
        state.priority,
        tuple(state.excluded),
        "" if offers else state.agent_id,
        offers,
        state.waits_since_ms or state.task.enqueued_at_ms,
        tuple(state.overflowed),
        AfterServiceSpan(state.after_service.ends_at_ms)
        if state.HasField("after_service")
        else None,
        _read_wait(state.wait) if state.HasField("wait") else None,
        state.kept_for,
        state.kept_until_ms,
        state.relaxed,
        load=_read_load(state),
        # Before it was written down when they refused it, nobody was asked again: now they are.
        refused=dict.fromkeys(state.excluded, saved_at)
        | {it.agent_id: it.at_ms for it in state.refused},
    )


def write_hours_state(hours: Hours) -> wire.HoursState:
    return wire.HoursState(
        tenant_id=hours.openings.tenant_id,
        openings=write_openings(hours.openings),
        open=hours.is_open,
        turns_at_ms=hours.turns_at,
    )


def read_hours_state(state: wire.HoursState) -> Hours:
    openings = read_openings(state.tenant_id, state.openings)
    return Hours(openings, state.open, state.turns_at_ms)


def write_pace(tenant_id: str, queue_id: str, pace: Pace) -> wire.PaceState:
    return wire.PaceState(
        tenant_id=tenant_id,
        queue_id=queue_id,
        starts=pace.starts,
        waited_ms=pace.waited,
        since_ms=pace.since,
        ratio50=pace.ratio50,
        ratio90=pace.ratio90,
    )


def read_pace(pace: wire.PaceState) -> Pace:
    return Pace(pace.starts, pace.waited_ms, pace.since_ms, pace.ratio50, pace.ratio90)


def _write_wait(wait: Wait) -> wire.WaitState:
    foretold = wait.foretold or Estimate(0, 0)
    return wire.WaitState(since_ms=wait.since, p50_ms=foretold.p50, p90_ms=foretold.p90)


def _read_wait(wait: wire.WaitState) -> Wait:
    return Wait(wait.since_ms, Estimate(wait.p50_ms, wait.p90_ms) if wait.p90_ms else None)


def _read_load(state: wire.TaskState) -> Load:
    """Read what a task takes; before it was written down, everything was a chat."""
    if state.HasField("load"):
        return read_load(state.load)
    return NO_LOAD._replace(cost=max(state.task.cost, 1))


def write_vacated(it: Vacated) -> wire.Vacated:
    return wire.Vacated(
        tenant_id=it.tenant_id,
        queue_id=it.queue_id,
        group_id=it.group_id,
        version=it.version,
        target_queue_id=it.target_queue_id,
    )


def read_vacated(it: wire.Vacated) -> Vacated:
    return Vacated(it.tenant_id, it.queue_id, it.group_id, it.version, it.target_queue_id)
