"""What must follow from an input, said a second time and from the contract alone.

Looks at the ledger as it is before the input's step. Nothing of services.dispatch is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.options.v1 import options_pb2 as options
from google.protobuf.message import Message

from tests.faults import answers, orders, removal, rules
from tests.faults.book import HELD, RINGS, Task
from tests.faults.ledger import ENDED_KEPT_MS, Ledger
from tests.faults.refusals import USUAL_PAUSE_MS
from tests.faults.waits import policy, target

COMMANDS = {
    "accept_offer",
    "decline_offer",
    "assign_task",
    "complete_task",
    "finish_after_service",
    "extend_after_service",
    *orders.OUTCOMES,
}


@dataclass(frozen=True, slots=True)
class When:
    """The moments of an input: when the log took it, and when it was decided on."""

    logged: int
    decided: int


def judge(
    ledger: Ledger, it: wire.Input, decisions: Sequence[wire.Decision], when: When
) -> list[str]:
    """Return what is wrong with the decisions that were made on an input."""
    return orders.blamed(it, decisions) or _judge(ledger, it, decisions, when)


def _judge(
    ledger: Ledger, it: wire.Input, decisions: Sequence[wire.Decision], when: When
) -> list[str]:
    kind = it.WhichOneof("body")
    kinds = [decision.WhichOneof("body") for decision in decisions]
    if kind in COMMANDS:
        return _judge_command(ledger, it, decisions, when)
    if "answered" in kinds:
        return [f"{kind} was answered"]
    wanted = _first(ledger, it, when.decided)
    if wanted is None:  # too long ago to be remembered for sure
        return []
    first = str(kinds[0]) if kinds else ""
    if first not in wanted:
        return [f"{kind} led to {first or 'nothing'}, not {wanted}"]
    given = getattr(it, str(kind))
    if kind == "task_submitted":
        given = removal.led_on(ledger, it.tenant_id, given)
    if first in _KEPT and not _alike(given, _kept(decisions[0])):
        return [f"{kind} was written down as something else"]
    return []


_KEPT = {
    "queue_set": "queue",
    "queue_set_asking_again": "queue",
    "group_set": "group",
    "group_set_asking_again": "group",
    "agent_set": "agent",
    "agent_set_taking_nothing": "agent",
    "tenant_set": "tenant",
    "presence_set": "presence",
    "queued": "task",
    "openings_set": "openings",
}
_DEFAULTED = {
    "offer_timeout_ms",
    "ring_timeout_ms",
    "ask_again_after_ms",
    "priority",
    "agent_selection",
    "ring_strategy",
    "task_selection",
    "weight",
    "sticky_window_ms",
    "channel",
    "on_agent_lost",
    "max_wait_ms",
    "after_service_limit_ms",
    "after_service_extension_ms",
}
"""Fields whose absence, or a value that makes no sense, stands for a default."""
_SENSIBLE = {
    "ask_again_after_ms": 3_600_001,
    "max_wait_ms": 7 * 24 * 3_600_000 + 1,
    "after_service_limit_ms": 3_600_001,
    "after_service_extension_ms": 3_600_001,
}


def _kept(decision: wire.Decision) -> Message:
    kind = str(decision.WhichOneof("body"))
    kept: Message = getattr(getattr(decision, kind), _KEPT[kind])
    return kept


def _alike(given: Message, kept: Message) -> bool:
    for known in given.DESCRIPTOR.fields:
        one, other = getattr(given, known.name), getattr(kept, known.name)
        if known.name in {"policy", "business_hours"}:
            if not _alike(one, other):
                return False
            continue
        if known.name == "ask_again_after_ms":
            other = other or USUAL_PAUSE_MS
        if known.name == "overflow":
            one, other = target(one), target(other)
        elif known.is_repeated:
            one, other = sorted(map(str, one)), sorted(map(str, other))
        absurd = known.name in _DEFAULTED and not 0 < one < _SENSIBLE.get(known.name, 2**31)
        if one != other and not absurd:
            return False
    return True


def _first(ledger: Ledger, it: wire.Input, at: int) -> set[str] | None:  # noqa: PLR0911 - one a kind
    """Return what the first decision on a fact may be; an empty name is none at all."""
    tenant_id = it.tenant_id
    match it.WhichOneof("body"):
        case "queue_configured":
            queue = ledger.queues.get((tenant_id, it.queue_configured.queue_id))
            return _if_news(it, queue, _set("queue_set", it.queue_configured))
        case "group_configured":
            group = ledger.groups.get((tenant_id, it.group_configured.group_id))
            return _if_news(it, group, _set("group_set", it.group_configured))
        case "agent_configured":
            agent = ledger.agents.get((tenant_id, it.agent_configured.agent_id))
            kind = "agent_set" + "_taking_nothing" * it.agent_configured.takes_nothing
            if not it.agent_configured.version:
                return {kind}
            return _if_news(it, agent.config if agent is not None else None, kind)
        case "tenant_configured":
            tenant = ledger.tenants.get(tenant_id) or wire.TenantConfigured()
            return _if_news(it, tenant, "tenant_set")
        case "presence_observed":
            agent = ledger.agents.get((tenant_id, it.presence_observed.agent_id))
            version = it.presence_observed.version
            old = agent is not None and 0 < version <= agent.presence.version
            return {""} if old else {"presence_set"}
        case "openings_foreseen":
            return {"openings_set"} if _news(ledger, tenant_id, it.openings_foreseen) else {""}
        case "task_submitted":
            key = (tenant_id, it.task_submitted.task_id)
            if key in ledger.tasks:
                return {""}
            return _unless_ended(ledger, key, at, {"queued"})
        case _:
            return _on_close(ledger, tenant_id, it.task_closed, at)


def _if_news(it: wire.Input, known: Any, decision: str) -> set[str]:
    """Say what follows from what the directory says, knowing what it said before."""
    given = getattr(it, str(it.WhichOneof("body")))
    if known is None or given.version > known.version:
        return {decision}
    if it.again and given.version == known.version > 0:
        # Of what is unset or absurd, the wire does not show how it was read before.
        return {decision, ""} if _alike(given, known) else {decision}
    return {""}


def _on_close(ledger: Ledger, tenant_id: str, it: wire.TaskClosed, at: int) -> set[str] | None:
    key = (tenant_id, it.task_id)
    task = ledger.tasks.get(key)
    if task is None:
        return _unless_ended(ledger, key, at, {"cancelled"})
    if orders.closes_anothers(task, it.closed_by):
        return {"acted"}
    if task.place == HELD:
        return {_over(ledger, tenant_id, task)}
    return {"offer_closed" if task.place == RINGS else "cancelled"}


def _set(kind: str, it: wire.QueueConfigured | wire.GroupConfigured) -> str:
    """Name the decision: of another kind if it says what older routers would pass over."""
    usual = it.ask_again_after_ms <= 0 or it.ask_again_after_ms == USUAL_PAUSE_MS
    return kind if usual else f"{kind}_asking_again"


def _over(ledger: Ledger, tenant_id: str, task: Task) -> str:
    """Name what follows when the work of a held task is over; nothing when it was before."""
    if task.finishes is not None:
        return ""
    mode = policy(ledger, tenant_id, task).after_service
    return "after_service_started" if mode else "completed"


def _news(ledger: Ledger, tenant_id: str, it: wire.OpeningsForeseen) -> bool:
    queue = ledger.queues.get((tenant_id, it.queue_id))
    if queue is None or queue.version != it.version or not queue.policy.HasField("business_hours"):
        return False
    known = ledger.openings.get((tenant_id, it.queue_id))
    return known is None or known.version != it.version or known.until_ms < it.until_ms


def _unless_ended(
    ledger: Ledger, key: tuple[str, str], at: int, otherwise: set[str]
) -> set[str] | None:
    ended = ledger.ended.get(key)
    if ended is None:
        return otherwise
    return {""} if at - ended[1] < ENDED_KEPT_MS else None


def _judge_command(
    ledger: Ledger, it: wire.Input, decisions: Sequence[wire.Decision], when: When
) -> list[str]:
    kinds = [str(decision.WhichOneof("body")) for decision in decisions]
    if kinds.count("answered") != 1 or kinds[-1] != "answered":
        return [f"a command is answered once, at the end, not {kinds}"]
    answer = decisions[-1].answered
    if (answer.request_id, answer.reply_to) != (it.request_id, it.reply_to):
        return [f"{it.request_id} is answered as {answer.request_id} to {answer.reply_to}"]
    known = ledger.answers.get((it.tenant_id, it.request_id)) if it.request_id else None
    if kinds == ["answered"] and answers.repeats(it, answer, known):
        return []
    if known is not None and when.decided - known[1] < answers.KEPT_MS:
        return [f"{it.request_id} is not answered as before, by nothing else: {kinds}"]
    moves = it.WhichOneof("body") in {"move_tasks", "vacate"}
    if moves and answer.count != orders.moved(decisions):
        return [f"{answer.count} are said to be moved: {kinds}"]
    forgotten = [f"{it.request_id} is kept as something else"]
    wrong = [] if answer.fingerprint == it.fingerprint else forgotten
    return wrong + _judge_answer(ledger, it, answer.reason, kinds, when)


def _judge_answer(
    ledger: Ledger, it: wire.Input, reason: str, kinds: list[str], when: When
) -> list[str]:
    order = orders.OUTCOMES.get(str(it.WhichOneof("body")))
    wanted, effect = order(ledger, it, when.decided) if order else _outcome(ledger, it, when)
    if reason not in wanted:
        return [f"answered {reason or 'done'}, not {wanted}: {it}"]
    if reason == "" and effect and effect not in kinds:
        return [f"done without {effect}: {kinds}"]
    audited = reason == "" and it.WhichOneof("body") in orders.AUDITED
    if audited and ("acted" in kinds) is not orders.owed(ledger, it):
        return [f"an act is not written down, or what is none: {kinds}"]
    if reason != "" and len(kinds) > 1:
        return [f"refused and still did {kinds}"]
    return []


def _outcome(ledger: Ledger, it: wire.Input, when: When) -> tuple[set[str], str]:
    """Return the answers that are right, and the decision that a done command must show."""
    match it.WhichOneof("body"):
        case "accept_offer":
            return _on_offer(ledger, it.tenant_id, it.accept_offer, when), "assigned"
        case "decline_offer":
            return _on_offer(ledger, it.tenant_id, it.decline_offer, when), "offer_closed"
        case "assign_task":
            return _on_assignment(ledger, it.tenant_id, it.assign_task), "assigned"
        case "finish_after_service":
            asked = it.finish_after_service
            supervises = asked.actor_role >= options.ROLE_SUPERVISOR
            actor_id = "" if supervises else asked.actor_id or "?"
            answers = _on_after_service(ledger, it.tenant_id, asked.task_id, actor_id, when)
            return answers, "completed"
        case "extend_after_service":
            return _on_extension(ledger, it.tenant_id, it.extend_after_service, when)
        case _:
            task = ledger.tasks.get((it.tenant_id, it.complete_task.task_id))
            effect = "" if task is None else _over(ledger, it.tenant_id, task)
            return _on_completion(ledger, it.tenant_id, it.complete_task), effect


def _on_after_service(
    ledger: Ledger, tenant_id: str, task_id: str, actor_id: str, when: When
) -> set[str]:
    """Return the right answers to somebody, or (empty) to a supervisor."""
    task = ledger.tasks.get((tenant_id, task_id))
    if task is None:
        ended = ledger.ended.get((tenant_id, task_id))
        if ended is None:
            return {"TASK_NOT_FOUND"}
        if when.decided - ended[1] < ENDED_KEPT_MS:
            return {"TASK_NOT_IN_AFTER_SERVICE"}
        return {"TASK_NOT_IN_AFTER_SERVICE", "TASK_NOT_FOUND"}
    if task.finishes is None:
        return {"TASK_NOT_IN_AFTER_SERVICE"}
    return {""} if actor_id in {"", task.agent_id} else {"TASK_NOT_YOURS"}


def _on_extension(
    ledger: Ledger, tenant_id: str, it: wire.ExtendAfterService, when: When
) -> tuple[set[str], str]:
    # Nobody is called "?", so that an empty name is nobody's and not a supervisor's.
    answers = _on_after_service(ledger, tenant_id, it.task_id, it.agent_id or "?", when)
    task = ledger.tasks.get((tenant_id, it.task_id))
    if answers == {""} and task is not None:
        rules = policy(ledger, tenant_id, task)
        if not task.finishes or not rules.after_service_extension_ms:
            answers = {"AFTER_SERVICE_NOT_EXTENDABLE"}
    return answers, "after_service_started"


def _on_offer(
    ledger: Ledger, tenant_id: str, it: wire.AcceptOffer | wire.DeclineOffer, when: When
) -> set[str]:
    key = (tenant_id, it.task_id)
    task = ledger.tasks.get(key)
    if task is None:
        ended = ledger.ended.get(key)
        if ended is None:
            return {"TASK_NOT_FOUND"}
        if when.decided - ended[1] < ENDED_KEPT_MS:
            return {"OFFER_NOT_YOURS"}
        return {"OFFER_NOT_YOURS", "TASK_NOT_FOUND"}
    in_time = when.logged < task.offers.get(it.agent_id, 0)
    return {""} if in_time else {"OFFER_NOT_YOURS"}


def _on_assignment(ledger: Ledger, tenant_id: str, it: wire.AssignTask) -> set[str]:
    task = ledger.tasks.get((tenant_id, it.task_id))
    if task is None:
        return {"TASK_NOT_FOUND"}
    theirs = ledger.reaches(tenant_id, it.actor_id, task)
    if it.actor_role < options.ROLE_MANAGER and not (
        theirs and (tenant_id, it.actor_id) in ledger.agents
    ):
        return {"TASK_NOT_IN_YOUR_QUEUES"}
    if task.place == HELD:
        return {"TASK_ALREADY_ASSIGNED"}
    return _on_assignee(ledger, tenant_id, it.assignee_id, task)


def _on_assignee(ledger: Ledger, tenant_id: str, assignee_id: str, task: Task) -> set[str]:
    assignee = ledger.agents.get((tenant_id, assignee_id))
    if (
        assignee is None
        or assignee.config.removed
        or not ledger.reaches(tenant_id, assignee_id, task)
    ):
        return {"ASSIGNEE_NOT_IN_QUEUE"}
    if not assignee.presence.connected:
        return {"ASSIGNEE_NOT_CONNECTED"}
    if task.takes.channel not in rules.channels(assignee.config, wire.PresenceObserved()):
        return {"ASSIGNEE_CANNOT_TAKE_CHANNEL"}
    beside = ledger.loads(tenant_id, assignee, but=task.submitted.task_id)
    if not rules.fits(task.takes, beside, ledger.capacity(tenant_id, assignee)):
        return {"ASSIGNEE_AT_CAPACITY"}
    return {""}


def _on_completion(ledger: Ledger, tenant_id: str, it: wire.CompleteTask) -> set[str]:
    task = ledger.tasks.get((tenant_id, it.task_id))
    if task is None:
        return {"TASK_NOT_FOUND"}
    if task.place != HELD:
        return {"TASK_NOT_ASSIGNED"}
    if task.agent_id != it.actor_id and it.actor_role < options.ROLE_SUPERVISOR:
        return {"TASK_NOT_YOURS"}
    return {""}
