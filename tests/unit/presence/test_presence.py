"""The transition table (field.md 1.1) and what may not happen between its rows."""

from datetime import UTC, datetime, timedelta

import pytest

from services.presence.adapters.documents import from_presence, to_presence
from services.presence.domain.bans import USUAL, Policy, Refusal, WayBack
from services.presence.domain.errors import NotConnected, StillBanned
from services.presence.domain.presence import Presence
from services.presence.domain.status import (
    BANNED,
    DND,
    OFFLINE,
    ONLINE,
    READY,
    Badge,
    Cause,
    Channel,
    Stage,
    Status,
    badge,
)
from services.presence.messages import presence_changed

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
ANA = Presence("acme", "ana")
BREAK = Badge(Status.CUSTOM, "break")

DECLINED = Refusal("t1:3", Cause.OFFER_DECLINED)
IGNORED = Refusal("t2:3", Cause.OFFER_IGNORED)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def online() -> Presence:
    return ANA.connect(NINE, MINUTE)


def ready() -> Presence:
    return online().choose(at(1), READY)


def dialing() -> Presence:
    return ready().work(at(2), Stage.DIALING)


def in_service() -> Presence:
    return dialing().work(at(3), Stage.IN_SERVICE)


def banned(way_back: WayBack = WayBack.OWN_CHOICE, cool_down: float = 0) -> Presence:
    policy = Policy(way_back=way_back, cool_down=timedelta(seconds=cool_down))
    return dialing().refuse(at(10), Stage.NONE, DECLINED, policy)


@pytest.mark.parametrize(
    ("connected", "stage", "ban", "chosen", "shown"),
    [
        (False, Stage.IN_SERVICE, True, READY, OFFLINE),
        (True, Stage.NONE, False, ONLINE, ONLINE),
        (True, Stage.NONE, False, READY, READY),
        (True, Stage.NONE, True, READY, BANNED),
        (True, Stage.NONE, True, DND, DND),
        (True, Stage.NONE, False, BREAK, BREAK),
        (True, Stage.DIALING, True, READY, Badge(Status.DIALING)),
        (True, Stage.IN_SERVICE, False, ONLINE, Badge(Status.IN_SERVICE)),
        (True, Stage.AFTER_SERVICE, False, DND, Badge(Status.AFTER_SERVICE)),
    ],
)
def test_the_badge_follows_from_four_facts(
    *, connected: bool, stage: Stage, ban: bool, chosen: Badge, shown: Badge
) -> None:
    assert badge(connected=connected, stage=stage, banned=ban, chosen=chosen) == shown


def test_who_logs_in_is_online_and_not_ready() -> None:
    ana = online()

    assert (ana.badge, ana.since, ana.cause, ana.version) == (ONLINE, NINE, Cause.CONNECTED, 1)
    assert not ana.receive_new


@pytest.mark.parametrize("chosen", [ONLINE, DND, BREAK])
def test_who_picks_ready_is_offered_work_and_who_picks_anything_else_is_not(chosen: Badge) -> None:
    other = ready().choose(at(5), chosen)
    again = other.choose(at(6), READY)

    assert (other.badge, other.receive_new, other.cause) == (chosen, False, Cause.CHOSEN)
    assert (again.badge, again.receive_new) == (READY, True)


def test_a_call_goes_from_dialing_to_after_service_and_back_to_ready() -> None:
    seen = [dialing()]
    for seconds, stage in ((3, Stage.IN_SERVICE), (60, Stage.AFTER_SERVICE), (70, Stage.NONE)):
        seen.append(seen[-1].work(at(seconds), stage))

    assert [it.badge.status for it in seen] == [
        Status.DIALING,
        Status.IN_SERVICE,
        Status.AFTER_SERVICE,
        Status.READY,
    ]
    assert [it.since for it in seen] == [at(2), at(3), at(60), at(70)]
    assert all(it.receive_new for it in seen)  # of chats: capacity says how many


def test_a_transferred_call_takes_who_is_online_into_service_and_back() -> None:
    ana = online().work(at(2), Stage.IN_SERVICE)

    assert ana.badge.status is Status.IN_SERVICE
    assert ana.work(at(9), Stage.NONE).badge == ONLINE


@pytest.mark.parametrize("refusal", [DECLINED, IGNORED])
def test_who_declines_or_ignores_is_banned_and_the_cause_is_kept(refusal: Refusal) -> None:
    ana = dialing().refuse(at(10), Stage.NONE, refusal, USUAL)

    assert (ana.badge, ana.cause, ana.receive_new) == (BANNED, refusal.cause, False)
    assert ana.ban is not None
    assert ana.ban.cause is refusal.cause
    assert (ana.since, ana.version) == (at(10), dialing().version + 1)


def test_a_caller_who_gives_up_leaves_the_agent_ready() -> None:
    ana = dialing().work(at(10), Stage.NONE)

    assert (ana.badge, ana.ban, ana.receive_new) == (READY, None, True)


def test_refusals_count_in_a_row_and_accepting_forgives_them() -> None:
    twice = Policy(banned_after=2)
    once = ready().refuse(at(10), Stage.NONE, DECLINED, twice)
    assert once.badge == READY

    assert once.refuse(at(20), Stage.NONE, IGNORED, twice).badge == BANNED
    assert once.accept(at(15)).refuse(at(20), Stage.NONE, IGNORED, twice).badge == READY
    assert once.choose(at(15), READY).refuse(at(20), Stage.NONE, IGNORED, twice).badge == READY


def test_a_refusal_told_twice_counts_once_even_after_the_way_back() -> None:
    twice = Policy(banned_after=2)
    once = ready().refuse(at(10), Stage.NONE, DECLINED, twice)
    back = banned().choose(at(20), READY)

    assert once.refuse(at(11), Stage.NONE, DECLINED, twice) is once
    assert back.refuse(at(21), Stage.NONE, DECLINED, USUAL) is back


def test_who_asked_for_no_work_cannot_refuse_it() -> None:
    assert online().refuse(at(5), Stage.NONE, DECLINED, USUAL).ban is None


def test_the_agents_own_choice_ends_the_usual_ban() -> None:
    back = banned().choose(at(20), READY)

    assert (back.badge, back.ban, back.receive_new) == (READY, None, True)


@pytest.mark.parametrize("way_back", [WayBack.COOL_DOWN, WayBack.SUPERVISOR])
def test_other_bans_do_not_end_by_the_agents_choice_nor_by_a_detour(way_back: WayBack) -> None:
    ana = banned(way_back, cool_down=30)
    detour = ana.choose(at(11), DND)
    assert detour.badge == DND
    away = ana.disconnect(at(12), Cause.DISCONNECTED).connect(at(500), MINUTE)

    for it in (ana, detour, away):
        with pytest.raises(StillBanned) as refused:
            it.choose(at(13), READY)
        assert refused.value.details["wayBack"] == way_back.name


def test_a_cool_down_ends_by_itself_and_not_sooner() -> None:
    ana = banned(WayBack.COOL_DOWN, cool_down=30)
    assert ana.cool_down(at(39.9)) is ana
    back = ana.cool_down(at(40))

    assert (back.badge, back.cause, back.since) == (READY, Cause.COOLED_DOWN, at(40))


@pytest.mark.parametrize("chosen", [READY, ONLINE, DND])
def test_a_supervisor_ends_any_ban_and_the_change_names_them(chosen: Badge) -> None:
    back = banned(WayBack.SUPERVISOR).choose(at(20), chosen, by="sue")

    assert (back.badge, back.ban, back.cause, back.actor_id) == (chosen, None, Cause.FORCED, "sue")


@pytest.mark.parametrize("stage", [Stage.DIALING, Stage.IN_SERVICE, Stage.AFTER_SERVICE])
@pytest.mark.parametrize("chosen", [ONLINE, DND, BREAK])
def test_what_is_chosen_while_busy_waits_for_the_end_of_the_work(
    chosen: Badge, stage: Stage
) -> None:
    busy = ready().work(at(2), stage)
    ana = busy.choose(at(3), chosen)
    assert (ana.badge, ana.next, ana.since) == (busy.badge, chosen, busy.since)
    after = ana.work(at(9), Stage.NONE)

    assert (after.badge, after.next, after.cause) == (chosen, None, Cause.NEXT_STATUS)


def test_what_is_chosen_next_stops_new_work_but_not_what_rings() -> None:
    assert dialing().choose(at(3), DND).receive_new
    assert not in_service().choose(at(4), DND).receive_new
    assert not online().work(at(2), Stage.IN_SERVICE).choose(at(3), READY).receive_new


def test_a_supervisors_choice_for_later_still_names_them_then() -> None:
    ana = in_service().choose(at(4), DND, by="sue").work(at(9), Stage.NONE)

    assert (ana.badge, ana.cause, ana.actor_id) == (DND, Cause.NEXT_STATUS, "sue")


def test_who_declines_with_something_chosen_next_goes_there_and_the_ban_waits_beneath() -> None:
    next_dnd = dialing().choose(at(3), DND)
    ana = next_dnd.refuse(at(9), Stage.NONE, DECLINED, Policy(way_back=WayBack.SUPERVISOR))

    assert (ana.badge, ana.cause) == (DND, Cause.NEXT_STATUS)
    with pytest.raises(StillBanned):
        ana.choose(at(10), READY)


def test_a_second_device_changes_nothing() -> None:
    ana = ready()

    assert ana.connect(at(2), MINUTE) is ana


def test_nobody_is_ready_after_the_last_lease_is_gone() -> None:
    gone = ready().disconnect(at(10), Cause.LEASE_EXPIRED)

    assert (gone.badge, gone.since, gone.cause) == (OFFLINE, at(10), Cause.LEASE_EXPIRED)
    assert gone.disconnect(at(11), Cause.DISCONNECTED) is gone


def test_the_choice_survives_a_short_absence() -> None:
    ana = ready().want(at(2), frozenset({Channel.CHAT}))
    back = ana.disconnect(at(10), Cause.LEASE_EXPIRED).connect(at(69.9), MINUTE)

    assert (back.badge, back.since, back.channels) == (READY, at(69.9), (Channel.CHAT,))


def test_who_comes_back_later_is_online_until_they_choose() -> None:
    ana = in_service().want(at(2), frozenset({Channel.CHAT})).choose(at(4), DND)
    gone = ana.disconnect(at(10), Cause.DISCONNECTED).work(at(20), Stage.AFTER_SERVICE)
    back = gone.connect(at(70), MINUTE).work(at(80), Stage.NONE)

    assert (back.badge, back.receive_new, back.next, back.channels) == (ONLINE, False, None, ())


def test_a_call_goes_on_while_the_desktop_blinks() -> None:
    ana = in_service().disconnect(at(10), Cause.LEASE_EXPIRED)
    assert ana.badge == OFFLINE

    assert ana.connect(at(20), MINUTE).badge.status is Status.IN_SERVICE


def test_nobody_chooses_without_a_lease() -> None:
    gone = ready().disconnect(at(2), Cause.DISCONNECTED)
    for it in (ANA, gone):
        with pytest.raises(NotConnected):
            it.choose(at(3), ONLINE)
        with pytest.raises(NotConnected):
            it.choose(at(3), DND, by="sue")
        with pytest.raises(NotConnected):
            it.want(at(3), frozenset())


def test_choosing_the_same_again_is_no_change() -> None:
    ana, bo = ready(), online().choose(at(1), DND)
    chat = ana.want(at(4), frozenset({Channel.CALL, Channel.CHAT}))
    assert chat.channels == (Channel.CHAT, Channel.CALL)

    assert bo.choose(at(5), DND) is bo
    assert chat.want(at(5), frozenset({Channel.CHAT, Channel.CALL})) is chat


def test_choosing_ready_again_is_told_for_it_is_a_reason_to_be_rung_again() -> None:
    ana = ready()
    again = ana.choose(at(5), READY)

    assert (again.version, again.ready_since) == (ana.version + 1, at(5))
    assert (again.badge, again.since) == (READY, ana.since)
    assert presence_changed(again).ready_since.ToDatetime(UTC) == at(5)
    assert to_presence(from_presence(again)) == again


def test_each_choice_of_ready_is_later_than_the_one_before_by_any_clock() -> None:
    ana = ready().choose(at(5), READY)
    behind = ana.choose(at(4), READY)

    assert behind.ready_since is not None
    assert ana.ready_since is not None
    assert behind.ready_since > ana.ready_since


def test_what_is_no_choice_of_ready_is_no_reason_to_be_rung_again() -> None:
    ana = ready()
    others = (
        ana.disconnect(at(5), Cause.LEASE_EXPIRED).connect(at(6), MINUTE),
        ana.choose(at(5), DND),
        ana.want(at(5), frozenset({Channel.CHAT})),
        ana.work(at(5), Stage.DIALING),
    )

    assert {it.ready_since for it in others} == {ana.ready_since}


def test_a_presence_from_before_choices_were_kept_has_none() -> None:
    stored = from_presence(online())
    del stored["ready_since"]

    assert to_presence(stored).ready_since is None


def test_from_one_break_to_another_the_timer_starts_again() -> None:
    ana = online().choose(at(1), BREAK).choose(at(50), Badge(Status.CUSTOM, "training"))

    assert ana.since == at(50)


def test_a_clock_that_runs_behind_makes_no_change_earlier_than_the_last() -> None:
    ana = ready().disconnect(at(-5), Cause.DISCONNECTED)

    assert (ana.at, ana.since) == (at(1), at(1))
