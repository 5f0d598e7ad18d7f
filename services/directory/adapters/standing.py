"""Whether callers are still who their tokens say, as of now: the directory asks its own store."""

from services.directory.messages import from_role
from services.kernel.callers import Caller
from services.kernel.standing import Known, revoked

from .mongo import MongoUsers
from .mongo_sessions import MongoSessions


class StoredStanding:
    """Who changes users, secrets and keys is looked up, not believed for a quarter of an hour."""

    def __init__(self, users: MongoUsers, sessions: MongoSessions) -> None:
        self._users, self._sessions = users, sessions

    async def of(self, who: Caller) -> Caller:
        if who.session_id and await self._sessions.has_ended(who.session_id):
            raise revoked()
        slot = await self._users.at(who.tenant_id, who.user_id)
        if not slot.version:
            return who
        removed = slot.value is None
        role = from_role(slot.value.role) if slot.value is not None else who.role
        return Known(slot.version, slot.incarnation, role, removed).judge(who)
