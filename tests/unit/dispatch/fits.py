"""What a directory may say about who fits what, drawn by chance."""

from typing import Any

from hypothesis import strategies as st

from services.dispatch.domain.inputs import (
    AgentSelection,
    Channel,
    ChannelRouting,
    Relaxation,
    Sticky,
    StickyTo,
    TaskSelection,
)
from tests.unit.dispatch.telling import MINUTE, skills

SECOND = 1_000

channels = st.sampled_from(
    [(), (), (), (Channel.CHAT,), (Channel.CALL,), (Channel.CHAT, Channel.CALL)]
)
_selections = st.sampled_from([None, *AgentSelection])
_routings = st.sampled_from(
    [
        (),
        (ChannelRouting(Channel.CHAT, cost=2),),
        (ChannelRouting(Channel.CALL, None, 1, True, (Channel.CHAT,)),),
        (ChannelRouting(Channel.CHAT), ChannelRouting(Channel.CALL, None, 2, False)),
        (
            ChannelRouting(Channel.CHAT, AgentSelection.ROUND_ROBIN, 1, False, (Channel.CALL,)),
            ChannelRouting(Channel.CALL, AgentSelection.MOST_QUALIFIED, 3, True, ()),
            ChannelRouting(Channel.VOICEMAIL, AgentSelection.LEAST_BUSY, 1, True, ()),
        ),
    ]
)
_relaxations = st.sampled_from(
    [
        (),
        (Relaxation(500, "es", 1),),
        (Relaxation(1_000, "", 1), Relaxation(20_000, "es", 2), Relaxation(11 * MINUTE, "", 5)),
    ]
)
_stickies = st.sampled_from(
    [
        Sticky(),
        Sticky(StickyTo.LAST),
        Sticky(StickyTo.LAST, MINUTE, 20 * SECOND),
        Sticky(StickyTo.PREFERRED, MINUTE, 500),
        Sticky(StickyTo.PREFERRED, MINUTE, 0),
    ]
)

_of_queue = st.fixed_dictionaries(
    {},
    optional={
        "task_selection": st.sampled_from(TaskSelection),
        "channels": _routings,
        "skills": skills,
        "wishes": skills,
        "relaxations": _relaxations,
        "weight": st.sampled_from([1, 2, 100]),
        "sticky": _stickies,
    },
)
_of_task = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from([Channel.CHAT, Channel.CALL, Channel.CALL, Channel.VOICEMAIL]),
        "wishes": skills,
        "contact_id": st.sampled_from(["kim", "lee"]),
        "preferred_agent_id": st.sampled_from(["ana", "bo", "nobody"]),
        "last_agent_id": st.sampled_from(["ana", "bo", "nobody"]),
    },
)

_usual: st.SearchStrategy[dict[str, Any]] = st.just({})
of_queue = st.one_of(_usual, _of_queue)
"""Half of it as usual, so that chance finds what goes wrong in other ways as well."""
of_task = st.one_of(_usual, _usual, _of_task)
