"""What queues may want done with their tasks as time goes by."""

from hypothesis import strategies as st

from services.dispatch.domain.policy import (
    PATIENT,
    AfterService,
    AfterServiceMode,
    BusinessHours,
    OnAgentLost,
    Overflow,
    OverflowTo,
    Policy,
)

overflows = st.sampled_from(
    [
        Overflow(),
        Overflow(OverflowTo.QUEUE, "sales"),
        Overflow(OverflowTo.QUEUE, "support"),
        Overflow(OverflowTo.QUEUE, "mistyped"),
        Overflow(OverflowTo.GROUP, "desk"),
        Overflow(OverflowTo.MESSAGE, "Call again."),
        Overflow(OverflowTo.VOICEMAIL),
    ]
)
policies = st.one_of(
    st.just(PATIENT),
    st.builds(
        Policy,
        max_wait_ms=st.sampled_from([0, 0, 1_000, 20_000, 60_000]),
        max_waiting=st.sampled_from([0, 0, 1, 2]),
        overflow=overflows,
        overflow_when_nobody=st.booleans(),
        hours=st.one_of(
            st.none(), st.builds(BusinessHours, st.just("Europe/Madrid"), overflow=overflows)
        ),
        after_service=st.builds(
            AfterService,
            st.sampled_from(AfterServiceMode),
            st.sampled_from([1_000, 20_000]),
            st.sampled_from([0, 5_000]),
        ),
        on_agent_lost=st.sampled_from(OnAgentLost),
    ),
)
