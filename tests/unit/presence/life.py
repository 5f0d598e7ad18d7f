"""An agent's life at random: any input in any order, and what must hold after each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from services.presence.domain.bans import Policy, Refusal, WayBack
from services.presence.domain.errors import NotConnected, StillBanned
from services.presence.domain.history import Change, change_of, days, time_in_status
from services.presence.domain.presence import Presence
from services.presence.domain.status import (
    DND,
    ONLINE,
    READY,
    Badge,
    Cause,
    Channel,
    Stage,
    Status,
)

NINE = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)
KEEP_CHOICE = timedelta(seconds=60)
BREAK = Badge(Status.CUSTOM, "break")

AT_WORK = {Status.DIALING, Status.IN_SERVICE, Status.AFTER_SERVICE}
CHOSEN = {Status.ONLINE, Status.READY, Status.DND, Status.CUSTOM}
AT_REST = {*CHOSEN, Status.BANNED}
THERE = {*AT_REST, *AT_WORK}

TABLE: dict[str, tuple[set[Status], set[Status]]] = {
    "connect": ({Status.OFFLINE}, THERE),
    "leave": (THERE, {Status.OFFLINE}),
    "choose": (AT_REST, {*CHOSEN, Status.BANNED}),
    "force": (AT_REST, CHOSEN),
    "ring": (AT_REST | AT_WORK, AT_WORK),
    "rest": (AT_WORK, AT_REST),
    "refuse": ({*AT_WORK, Status.READY}, AT_REST),
    "cool": ({Status.BANNED}, {Status.READY}),
    "want": (set(), set()),
    "accept": (set(), set()),
}
"""From and to, for a badge that changes; with nothing from, it does not."""

Move = tuple[str, int, int]
"""What, how many seconds later, and which of its kinds."""

moves = st.lists(
    st.tuples(st.sampled_from(sorted(TABLE)), st.integers(0, 100), st.integers(0, 11)),
    max_size=60,
)
policies = st.builds(
    Policy,
    banned_after=st.integers(1, 3),
    way_back=st.sampled_from(WayBack),
    cool_down=st.integers(1, 200).map(lambda seconds: timedelta(seconds=seconds)),
)

CHOICES = (READY, ONLINE, DND, BREAK)
STAGES = (Stage.DIALING, Stage.IN_SERVICE, Stage.AFTER_SERVICE)
REASONS = (Cause.OFFER_DECLINED, Cause.OFFER_IGNORED)


@dataclass
class Life:
    """One agent, and everything that ever showed."""

    policy: Policy
    now: datetime = NINE
    ana: Presence = field(default_factory=lambda: Presence("acme", "ana"))
    told: list[Change] = field(default_factory=list)

    def live(self, history: Iterable[Move]) -> None:
        for name, seconds, kind in history:
            self.now += timedelta(seconds=seconds)
            before = self.ana
            try:
                self.ana = self._moved(name, kind)
            except NotConnected:
                assert not before.connected
            except StillBanned:
                assert before.ban is not None
                assert before.ban.way_back is not WayBack.OWN_CHOICE
            if self.ana is not before:
                self.told.append(change_of(self.ana))
            self._check_step(name, before, self.ana)
        self._check_history()

    def _moved(self, name: str, kind: int) -> Presence:
        ana, now = self.ana, self.now
        refusal = Refusal(f"t:{len(self.told) - kind % 2}", REASONS[kind % 2])
        inputs: dict[str, Callable[[], Presence]] = {
            "connect": lambda: ana.connect(now, KEEP_CHOICE),
            "leave": lambda: ana.disconnect(now, Cause.LEASE_EXPIRED),
            "choose": lambda: ana.choose(now, CHOICES[kind % 4]),
            "force": lambda: ana.choose(now, CHOICES[kind % 4], by="sue"),
            "ring": lambda: ana.work(now, STAGES[kind % 3]),
            "rest": lambda: ana.work(now, Stage.NONE),
            "refuse": lambda: ana.refuse(now, Stage.NONE, refusal, self.policy),
            "cool": lambda: ana.cool_down(now),
            "want": lambda: ana.want(now, frozenset(tuple(Channel)[: kind % 4])),
            "accept": lambda: ana.accept(now),
        }
        return inputs[name]()

    def _check_step(self, name: str, before: Presence, after: Presence) -> None:
        assert after.version == before.version + (after is not before)
        old, new = before.badge.status, after.badge.status
        coming, going = TABLE[name]
        assert old == new or (old in coming and new in going), (name, old, new)
        same = after.badge == before.badge and before.since is not None
        assert after is before or after.since == (before.since if same else self.now)
        banned = after.connected and after.stage is Stage.NONE and after.intent == READY
        assert (new is Status.BANNED) == (banned and after.ban is not None)
        if after.ban is not None and before.ban is None:
            assert name == "refuse"
            assert after.ban.cause in REASONS
        if before.ban is not None and after.ban is None:
            own = before.ban.way_back is WayBack.OWN_CHOICE
            cooled = before.ban.until is not None and before.ban.until <= self.now
            assert name == "force" or (own if name == "choose" else name == "cool" and cooled)
        self._check_next(name, before, after)
        willing = after.intent == READY and after.ban is None
        assert not after.receive_new or willing
        assert after.receive_new or not willing or after.next is not None

    def _check_next(self, name: str, before: Presence, after: Presence) -> None:
        """What was chosen next begins when the work ends, then and only then."""
        assert after.next is None or after.stage is not Stage.NONE
        worked = before.stage is not Stage.NONE and after.stage is Stage.NONE
        if worked and before.next is not None:
            assert (after.intent, after.cause) == (before.next, Cause.NEXT_STATUS)
        elif name not in {"choose", "force", "connect"}:
            assert (after.intent, after.next) == (before.intent, before.next)
        elif before.stage is not Stage.NONE and name != "connect":
            assert after.intent == before.intent

    def _check_history(self) -> None:
        """One change a version, in order, and together they are the whole time, once."""
        assert [one.version for one in self.told] == list(range(1, self.ana.version + 1))
        assert all(one.at <= two.at for one, two in self._pairs())
        shown = timedelta()
        for day in days(date(2026, 3, 27), 9, UTC):
            shown += sum(time_in_status(self.told, day, self.now).values(), timedelta())
        assert shown == (self.now - self.told[0].at if self.told else timedelta())

    def _pairs(self) -> Iterator[tuple[Change, Change]]:
        yield from zip(self.told, self.told[1:], strict=False)
