"""Whether an agent is there and willing: facts kept apart, and the badge that follows from them.

*Connection* is what the devices' leases say, *intent* is what the agent chose, *stage* is how far
they are with calls, a *ban* is what refusing brings. None is ever derived from another: a second
device, a reload or a cut in the network chooses nothing, and work ends no choice.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .bans import Ban, Policy, Refusal, WayBack
from .errors import NotConnected, StillBanned
from .status import ONLINE, READY, Badge, Cause, Channel, Stage, badge

REFUSALS_KNOWN = 32
"""The latest refusals by name, so that one told twice counts once."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One agent, as of the last change."""

    tenant_id: str
    user_id: str
    connected: bool = False
    left_at: datetime | None = None
    """When the last lease ended, while nobody is there."""
    intent: Badge = ONLINE
    next: Badge | None = None
    """Chosen while busy; becomes the intent when the work ends."""
    next_by: str = ""
    """The supervisor who set it. Empty: the agent."""
    channels: tuple[Channel, ...] = ()
    """Of what the agent wants new work, sorted. Empty: everything they can work on."""
    stage: Stage = Stage.NONE
    ban: Ban | None = None
    refused: int = 0
    """Offers refused in a row."""
    refusals: tuple[str, ...] = ()
    ready_since: datetime | None = None
    """When Ready was chosen last, also by who was Ready: whatever they let pass may ring again."""
    since: datetime | None = None
    """When the badge began to show."""
    at: datetime | None = None
    """When anything last changed."""
    cause: Cause = Cause.NEVER_SEEN
    actor_id: str = ""
    """The supervisor behind the last change. Empty: nobody but the agent."""
    version: int = 0
    user_version: int = 0
    """The newest version of the user, as the directory counts, that this is known to be about."""

    @property
    def badge(self) -> Badge:
        return badge(
            connected=self.connected,
            stage=self.stage,
            banned=self.ban is not None,
            chosen=self.intent,
        )

    @property
    def receive_new(self) -> bool:
        """Whether new work may be offered, once connected; calls in service do not matter.

        Who chose to stop gets nothing more while they finish. What rings already goes on
        ringing: taken back, it would only ring again somewhere else.
        """
        staying = self.next is None or self.stage is Stage.DIALING
        return self.intent == READY and self.ban is None and staying

    def connect(self, now: datetime, keep_choice: timedelta, user_version: int = 0) -> "Presence":
        """A device is there. What was chosen survives an absence shorter than `keep_choice`.

        Who comes back later has begun anew: Online, not Ready, so that nobody is offered work
        because of what they chose before they went home. A ban is not left behind that way.
        """
        if self.connected:
            return self
        known = max(self.user_version, user_version)
        back = replace(self, connected=True, left_at=None, user_version=known)
        if self.left_at is None or now - self.left_at >= keep_choice:
            back = replace(back, intent=ONLINE, next=None, next_by="", channels=())
        return self._after(back, now, Cause.CONNECTED)

    def disconnect(self, now: datetime, cause: Cause) -> "Presence":
        """The last lease is gone."""
        if not self.connected:
            return self
        return self._after(replace(self, connected=False, left_at=now), now, cause)

    def end(self, now: datetime, user_version: int) -> "Presence":
        """The user was removed with this version: nothing is left to who gets the same id.

        The version goes on rising, because readers ignore what is not newer.
        """
        if self.user_version >= user_version:
            return self
        nobody = Presence(
            self.tenant_id, self.user_id, version=self.version, user_version=user_version
        )
        return self._after(nobody, now, Cause.DISCONNECTED)

    def left_by(self, user_version: int) -> bool:
        """Whether this is what that removal left, and nobody has come since."""
        unused = not self.connected and self.left_at is None
        return unused and self.user_version == user_version

    def choose(self, now: datetime, chosen: Badge, *, by: str = "") -> "Presence":
        """The agent chose, or the supervisor `by` for them; during a call it is kept for later.

        Raises NotConnected without a lease, and StillBanned when an agent who cannot lift their
        ban chooses Ready.
        """
        if not self.connected:
            raise NotConnected("Connect first: send a heartbeat.")
        after = self if chosen != READY else self._ready(now)
        if by:
            after = replace(after, ban=None)
        elif self.ban is not None and chosen == READY:
            if self.ban.way_back is not WayBack.OWN_CHOICE:
                raise StillBanned(
                    "Wait for the cool-down." if self.ban.until else "Ask a supervisor.",
                    wayBack=self.ban.way_back.name,
                    until=self.ban.until.isoformat() if self.ban.until else "",
                )
            after = replace(after, ban=None)
        if self.stage is Stage.NONE or chosen == self.intent:
            after = replace(after, intent=chosen, next=None, next_by="")
        else:
            after = replace(after, next=chosen, next_by=by)
        return self._after(after, now, Cause.FORCED if by else Cause.CHOSEN, by)

    def _ready(self, now: datetime) -> "Presence":
        """Begin anew with offers; each choice is later than the one before, by any clock."""
        before = self.ready_since
        later = now if before is None or now > before else before + timedelta(milliseconds=1)
        return replace(self, refused=0, ready_since=later)

    def want(self, now: datetime, channels: frozenset[Channel]) -> "Presence":
        """The agent wants new work of these channels only; none: of all. Raises NotConnected."""
        if not self.connected:
            raise NotConnected("Connect first: send a heartbeat.")
        wanted = tuple(sorted(channels))
        return self._after(replace(self, channels=wanted), now, Cause.CHOSEN)

    def work(self, now: datetime, stage: Stage, cause: Cause = Cause.WORK) -> "Presence":
        """Calls went on. When the last one ends, what was chosen meanwhile begins."""
        if stage is self.stage:
            return self
        after = replace(self, stage=stage)
        if stage is not Stage.NONE or after.next is None:
            return self._after(after, now, cause)
        after = replace(after, intent=after.next, next=None, next_by="")
        return self._after(after, now, Cause.NEXT_STATUS, self.next_by)

    def accept(self, now: datetime) -> "Presence":
        """The agent took an offer: earlier refusals are forgiven."""
        return self._after(replace(self, refused=0), now, Cause.WORK)

    def refuse(self, now: datetime, stage: Stage, refusal: Refusal, policy: Policy) -> "Presence":
        """The agent let an offer pass. Enough of it in a row, and nothing is offered any more.

        Counts once however often it is told, and only for those who asked to be offered work.
        """
        if refusal.offer_id in self.refusals or self.intent != READY:
            return self.work(now, stage)
        refusals = (*self.refusals, refusal.offer_id)[-REFUSALS_KNOWN:]
        after = replace(self, refusals=refusals, refused=self.refused + 1)
        if self.ban is None and after.refused >= policy.banned_after:
            after = replace(after, refused=0, ban=policy.ban(refusal.cause, now))
        worked = after.work(now, stage)
        moved_on = worked.cause is Cause.NEXT_STATUS and worked is not after
        cause = Cause.NEXT_STATUS if moved_on else refusal.cause
        return self._after(worked, now, cause, worked.actor_id if moved_on else "")

    def cool_down(self, now: datetime) -> "Presence":
        """The ban is over by itself, if its time has come."""
        if self.ban is None or self.ban.until is None or self.ban.until > now:
            return self
        return self._after(replace(self, ban=None), now, Cause.COOLED_DOWN)

    def _after(self, after: "Presence", now: datetime, cause: Cause, by: str = "") -> "Presence":
        """Count the change, if it is one. None is earlier than the one before, by any clock."""
        same = replace(
            after,
            since=self.since,
            at=self.at,
            cause=self.cause,
            actor_id=self.actor_id,
            version=self.version,
        )
        if same == self:
            return self
        now = now if self.at is None else max(self.at, now)
        since = self.since if after.badge == self.badge and self.since else now
        version = self.version + 1
        return replace(after, since=since, at=now, cause=cause, actor_id=by, version=version)
