"""A time that passes converts to whatever a service makes of it; any other is refused by name."""

from datetime import UTC

import pytest
from centralita.directory.v1.directory_service_pb2 import PutQueueRequest
from centralita.dispatch.v1.explain_service_pb2 import ExplainTaskRequest
from centralita.dispatch.v1.simulation_service_pb2 import CompareRequest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.text import flaw_in
from services.kernel.times import TimeInvalid, insist_on_times

SECONDS = st.integers(-(2**63), 2**63 - 1) | st.integers(-400_000_000_000, 400_000_000_000)
NANOS = st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 1_000_000_000)


@given(seconds=SECONDS, nanos=NANOS)
def test_a_moment_converts_or_is_refused(seconds: int, nanos: int) -> None:
    request = ExplainTaskRequest(since=Timestamp(seconds=seconds, nanos=nanos))
    if (no := _refused(request)) is None:
        assert request.since.ToDatetime(UTC).timestamp() // 1 == seconds
        return
    assert no.details == {"field": "since", "rule": "range"}
    with pytest.raises(ValueError, match="Timestamp is not valid"):
        request.since.ToDatetime(UTC)


@given(seconds=SECONDS, nanos=NANOS)
def test_a_span_converts_or_is_refused(seconds: int, nanos: int) -> None:
    request = PutQueueRequest()
    request.queue.relaxations.add()
    after = request.queue.relaxations.add().after
    after.seconds, after.nanos = seconds, nanos
    if (no := _refused(request)) is None:
        assert abs(after.ToTimedelta().total_seconds() - seconds) <= 1
        assert after.ToMilliseconds() // 1_000 in {seconds, seconds - 1}
        return
    assert no.details["field"] == "queue.relaxations.after"
    with pytest.raises(ValueError, match="Duration is not valid"):
        after.ToJsonString()


def test_a_time_that_is_not_there_is_none() -> None:
    insist_on_times(ExplainTaskRequest())


def test_a_message_that_holds_itself_is_judged() -> None:
    """google.protobuf.Struct: each simulation ended as INTERNAL while texts were looked for."""
    request = CompareRequest()
    request.scenario.update({"team": [{"name": "support"}]})
    insist_on_times(request)
    assert flaw_in(request) is None


def _refused(request: Message) -> TimeInvalid | None:
    try:
        insist_on_times(request)
    except TimeInvalid as no:
        return no
    return None
