"""ExplainService over gRPC: translate, ask, translate back."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

from centralita.dispatch.v1 import explain_service_pb2 as api
from centralita.dispatch.v1.explain_service_pb2_grpc import ExplainServiceServicer
from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import ServicerContext

from services.kernel.identity import caller
from services.kernel.ids import is_token

from .domain.candidates import Filter, Rank
from .domain.errors import Invalid
from .use_cases.explain import Considered, Explanation, Question

TIE_BREAKS: tuple[api.TieBreak.ValueType, ...] = (
    api.TIE_BREAK_REFUSED_LONGEST_AGO,
    api.TIE_BREAK_PREFERRED_SKILLS,
    api.TIE_BREAK_SCORE,
    api.TIE_BREAK_IDLE_LONGEST,
    api.TIE_BREAK_IDLE_ORDER,
    api.TIE_BREAK_AGENT_ID,
)
"""One for each part of a rank, in its order."""


Asked = Callable[[Question], Awaitable[api.ExplainTaskResponse]]


class ExplainApi(ExplainServiceServicer):
    def __init__(self, explain: Asked) -> None:
        self._explain = explain

    async def ExplainTask(
        self, request: api.ExplainTaskRequest, context: ServicerContext[Any, Any]
    ) -> api.ExplainTaskResponse:
        for field in (request.task_id, request.offered_to or "-", request.agent_id or "-"):
            if not is_token(field):
                raise Invalid("FIELD_INVALID", "Ids are 1 to 64 letters, digits, - or _.")
        found = await self._explain(
            Question(
                caller().tenant_id,
                request.task_id,
                request.revision,
                request.offered_to,
                _millis(request.at) if request.HasField("at") else 0,
                request.record,
                _millis(request.since) if request.HasField("since") else 0,
            )
        )
        if request.agent_id:
            kept = [it for it in found.candidates if it.agent_id == request.agent_id]
            del found.candidates[:]
            found.candidates.extend(kept)
        return found


def tie_break(best: Rank, second: Rank) -> api.TieBreak.ValueType:
    """Say which part of their ranks tells two apart."""
    return next(
        how for how, one, other in zip(TIE_BREAKS, best, second, strict=True) if one != other
    )


def response(it: Explanation) -> api.ExplainTaskResponse:
    """Say an explanation in the words of the contract."""
    able = [one.candidate for one in it.candidates if one.candidate.removed_by is Filter.NONE]
    return api.ExplainTaskResponse(
        standing=api.Standing.Value(f"STANDING_{it.standing}"),
        agent_id=it.agent_id,
        chosen_id=it.chosen_id,
        tie_break=(
            tie_break(able[0].rank, able[1].rank) if able[1:] else api.TIE_BREAK_UNSPECIFIED
        ),
        candidates=[_candidate(one) for one in it.candidates],
        queue_id=it.queue.queue_id,
        queue_version=it.queue.version,
        priority=it.priority,
        revision=it.revision,
        at=_timestamp(it.at),
        record=it.record,
        record_hash=it.chain,
        input_sequence=it.input_sequence,
    )


def _candidate(it: Considered) -> api.Candidate:
    removed_by, rank = it.candidate.removed_by, it.candidate.rank
    found = api.Candidate(
        agent_id=it.candidate.agent_id,
        removed_by=(
            api.CANDIDATE_FILTER_UNSPECIFIED
            if removed_by is Filter.NONE
            else api.CandidateFilter.Value(f"CANDIDATE_FILTER_{removed_by}")
        ),
        preferred_skills_met=-rank.minus_wishes_met,
        score=rank.score,
        idle_since=_timestamp(rank.idle_since),
        idle_order=rank.idle_order,
        settings_version=it.settings_version,
        presence_version=it.presence_version,
        tasks=it.tasks,
    )
    if rank.refused_at:
        found.refused_at.FromMilliseconds(rank.refused_at)
    if it.asked_again_at:
        found.asked_again_at.FromMilliseconds(it.asked_again_at)
    return found


def _timestamp(millis: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMilliseconds(millis)
    return stamp


def _millis(stamp: Timestamp) -> int:
    return round(stamp.ToDatetime(UTC).timestamp() * 1000)
