"""Who sees which card, and that the index says the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workspace.domain.audience import Audience
from services.workspace.domain.card import CardState, Standing
from services.workspace.domain.viewer import Role, Viewer

ANA = Viewer("acme", "ana", Role.AGENT, frozenset({"sales"}), 1)
SUE = Viewer("acme", "sue", Role.SUPERVISOR, frozenset({"help"}), 1)
MAX = Viewer("acme", "max", Role.MANAGER, frozenset(), 1)


@pytest.mark.parametrize(
    ("standing", "seen_by"),
    [
        (Standing(CardState.WAITING, "sales"), {"ana", "max"}),
        (Standing(CardState.WAITING, "help"), {"sue", "max"}),
        (Standing(CardState.WAITING, "other"), {"max"}),
        (Standing(CardState.OFFERED, "sales", "ana"), {"ana", "max"}),
        (Standing(CardState.OFFERED, "help", "ana"), {"ana", "sue", "max"}),
        (Standing(CardState.OFFERED, "", "ana", ("sue",)), {"ana", "sue", "max"}),
        (Standing(CardState.ASSIGNED, "sales", "sue"), {"sue"}),
        (Standing(CardState.ASSIGNED, "sales", "max"), {"max"}),
        (Standing(CardState.CLOSED, "sales", "ana"), set()),
        (Standing(), set()),
    ],
)
def test_people_see_their_own_work_and_the_unassigned_of_their_queues(
    standing: Standing, seen_by: set[str]
) -> None:
    assert {who.user_id for who in (ANA, SUE, MAX) if who.sees(standing)} == seen_by


class Seat:
    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer


names = st.sampled_from(["ana", "ben", "cat"])
queues = st.sampled_from(["sales", "help", "vip"])
tenants = st.sampled_from(["acme", "bolt"])
viewers = st.builds(Viewer, tenants, names, st.sampled_from(Role), st.frozensets(queues))
several = st.lists(names, max_size=2, unique=True).map(tuple)
standings = st.builds(Standing, st.sampled_from(CardState), queues, names | st.just(""), several)


@given(st.lists(viewers, max_size=8), tenants, standings)
def test_the_index_finds_exactly_those_who_see_a_card(
    everyone: list[Viewer], tenant_id: str, standing: Standing
) -> None:
    audience: Audience[Seat] = Audience()
    seats = [Seat(viewer) for viewer in everyone]
    for seat in seats:
        audience.add(seat)

    seeing = {
        seat for seat in seats if seat.viewer.tenant_id == tenant_id and seat.viewer.sees(standing)
    }
    assert audience.seeing(tenant_id, standing) == seeing

    for seat in seats:
        audience.remove(seat)
    assert not audience.seeing(tenant_id, standing)
    assert not list(audience)
