"""Connection and intent are kept apart; the badge follows from both."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.presence.domain.errors import NotConnected
from services.presence.domain.presence import Cause, Presence, Status, badge

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
ANA = Presence("acme", "ana")


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def ready() -> Presence:
    return ANA.connect(NINE, MINUTE).choose(at(1), receive_new=True)


@pytest.mark.parametrize(
    ("connected", "receive_new", "status"),
    [
        (False, False, Status.OFFLINE),
        (False, True, Status.OFFLINE),
        (True, False, Status.ONLINE),
        (True, True, Status.READY),
    ],
)
def test_the_badge_follows_from_connection_and_intent(
    *, connected: bool, receive_new: bool, status: Status
) -> None:
    assert badge(connected=connected, receive_new=receive_new) is status


def test_who_connects_is_online_and_not_ready() -> None:
    ana = ANA.connect(NINE, MINUTE)

    assert (ana.status, ana.since, ana.cause, ana.version) == (
        Status.ONLINE,
        NINE,
        Cause.CONNECTED,
        1,
    )


def test_a_second_device_changes_nothing() -> None:
    ana = ready()

    assert ana.connect(at(2), MINUTE) is ana


def test_nobody_is_ready_after_the_last_lease_is_gone() -> None:
    gone = ready().disconnect(at(10), Cause.LEASE_EXPIRED)

    assert (gone.status, gone.since, gone.cause) == (Status.OFFLINE, at(10), Cause.LEASE_EXPIRED)
    assert gone.disconnect(at(11), Cause.DISCONNECTED) is gone


def test_the_choice_survives_a_short_absence() -> None:
    back = ready().disconnect(at(10), Cause.LEASE_EXPIRED).connect(at(69.9), MINUTE)

    assert (back.status, back.since) == (Status.READY, at(69.9))


def test_who_comes_back_later_is_online_until_they_choose() -> None:
    back = ready().disconnect(at(10), Cause.DISCONNECTED).connect(at(70), MINUTE)

    assert (back.status, back.receive_new) == (Status.ONLINE, False)


def test_nobody_chooses_without_a_lease() -> None:
    with pytest.raises(NotConnected):
        ANA.choose(NINE, receive_new=True)
    with pytest.raises(NotConnected):
        ready().disconnect(at(2), Cause.DISCONNECTED).choose(at(3), receive_new=False)


def test_choosing_the_same_again_is_no_change() -> None:
    ana = ready()

    assert ana.choose(at(5), receive_new=True) is ana


steps = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from(["connect", "leave", "on", "off"])), max_size=20
)


@given(steps)
def test_the_timer_restarts_exactly_when_the_badge_changes(history: list[tuple[int, str]]) -> None:
    now, ana = NINE, ANA
    for seconds, step in history:
        now += timedelta(seconds=seconds)
        before = ana
        try:
            match step:
                case "connect":
                    ana = ana.connect(now, MINUTE)
                case "leave":
                    ana = ana.disconnect(now, Cause.LEASE_EXPIRED)
                case choice:
                    ana = ana.choose(now, receive_new=choice == "on")
        except NotConnected:
            assert not ana.connected
        assert ana.version == before.version + (ana is not before)
        if ana.status is before.status:
            assert ana.since == before.since
        else:
            assert ana.since == now
        assert ana.status is not Status.READY or ana.connected
