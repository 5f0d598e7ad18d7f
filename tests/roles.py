"""Who may call what, decided by people: never read from the option in the proto that grants it.

The option is what runs, this table what was meant; tests/contract/test_access.py compares them, and
tests/e2e/test_roles.py walks the table at both doors. So it is kept by hand, on purpose. Whoever
adds a method writes its row from what the method does to people and their data, and changes a row
when a decision about people has changed, with the reason in the proto's comment and the changelog.
It is never printed from the protos, not even for a start: then it would say what they say.

What the rows follow from, in the words of docs/architecture.md and of the comments in the protos:

- Anybody may prove who they are: sign in, go on with a session, hand a signed message in.
- Agents work: they see their own work and what waits in their queues, take it, answer and end it,
  and say whether they are there. They see who and what exists, for they hand work on; not how
  channels are set up.
- Supervisors steer the work of others in their queues: move it, take it back, cancel it, pause a
  queue, set a colleague's status, ask why. They see how channels are set up, and change nothing.
- Managers look back over everybody's deeds, and ahead: audit, simulation, how the routers stand.
- Administrators decide who and what exists. Owners have nothing more here: that only they may make
  administrators is a rule of the directory about the user that is put, not about the method.
- A service calls what it calls in its code, and nothing else.

A row says the least role. What a method then asks of the very task, queue or user, its comment in
the proto says.
"""

from collections.abc import Mapping
from typing import TypeAlias

Who: TypeAlias = "str | set[str]"
"""The least role that may, or the services that may; with a role among them, it too."""

ANYONE = "anyone"
AGENT, SUPERVISOR, MANAGER = "agent", "supervisor", "manager"
ADMINISTRATOR, OWNER = "administrator", "owner"
ROLES = (AGENT, SUPERVISOR, MANAGER, ADMINISTRATOR, OWNER)
"""Lowest first: who is above one may do what they may."""

MAY_CALL: Mapping[str, Who] = {
    "/centralita.contacts.v1.ContactsService/BatchGetContacts": AGENT,
    "/centralita.contacts.v1.ContactsService/GetContact": AGENT,
    "/centralita.contacts.v1.ContactsService/ResolveContact": {"conversations"},
    "/centralita.conversations.v1.ConversationsService/CloseConversation": AGENT,
    "/centralita.conversations.v1.ConversationsService/CountOpenConversations": {"directory"},
    "/centralita.conversations.v1.ConversationsService/GetConversation": AGENT,
    "/centralita.conversations.v1.ConversationsService/GetOpenConversation": {"ingestion"},
    "/centralita.conversations.v1.ConversationsService/ListMessages": AGENT,
    "/centralita.conversations.v1.ConversationsService/Reply": AGENT,
    "/centralita.directory.v1.DirectoryService/DeleteChannelAccount": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/DeleteGroup": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/DeleteQueue": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/DeleteUser": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/GetChannelAccount": SUPERVISOR,
    "/centralita.directory.v1.DirectoryService/GetGroup": AGENT,
    "/centralita.directory.v1.DirectoryService/GetPresencePolicy": AGENT,
    "/centralita.directory.v1.DirectoryService/GetQueue": AGENT,
    "/centralita.directory.v1.DirectoryService/GetTenant": AGENT,
    "/centralita.directory.v1.DirectoryService/GetUser": AGENT,
    "/centralita.directory.v1.DirectoryService/ListChannelAccounts": SUPERVISOR,
    "/centralita.directory.v1.DirectoryService/ListGroups": AGENT,
    "/centralita.directory.v1.DirectoryService/ListQueues": AGENT,
    "/centralita.directory.v1.DirectoryService/ListUsers": AGENT,
    "/centralita.directory.v1.DirectoryService/PutChannelAccount": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/PutGroup": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/PutPresencePolicy": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/PutQueue": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/PutUser": ADMINISTRATOR,
    "/centralita.directory.v1.DirectoryService/ResolveChannelAccount": {"ingestion"},
    "/centralita.directory.v1.DirectoryService/RotateChannelAccountSecret": ADMINISTRATOR,
    "/centralita.directory.v1.SessionService/IssueServiceToken": ANYONE,
    "/centralita.directory.v1.SessionService/RefreshSession": ANYONE,
    "/centralita.directory.v1.SessionService/SignIn": ANYONE,
    "/centralita.directory.v1.SessionService/SignOut": ANYONE,
    "/centralita.dispatch.v1.AuditService/ListActs": MANAGER,
    "/centralita.dispatch.v1.DispatchService/AcceptOffer": AGENT,
    "/centralita.dispatch.v1.DispatchService/AssignTask": AGENT,
    "/centralita.dispatch.v1.DispatchService/CancelForTenant": {"voice"},
    "/centralita.dispatch.v1.DispatchService/CancelTask": SUPERVISOR,
    "/centralita.dispatch.v1.DispatchService/CheckTasks": {"conversations"},
    "/centralita.dispatch.v1.DispatchService/CompleteTask": AGENT,
    "/centralita.dispatch.v1.DispatchService/DeclineOffer": AGENT,
    "/centralita.dispatch.v1.DispatchService/ExtendAfterService": AGENT,
    "/centralita.dispatch.v1.DispatchService/FinishAfterService": AGENT,
    "/centralita.dispatch.v1.DispatchService/GetQueueStatus": SUPERVISOR,
    "/centralita.dispatch.v1.DispatchService/GetWait": AGENT,
    "/centralita.dispatch.v1.DispatchService/GetWaitForTenant": {"ingestion", "voice"},
    "/centralita.dispatch.v1.DispatchService/ListChatTasks": {"conversations"},
    "/centralita.dispatch.v1.DispatchService/ListShards": {MANAGER, "operations"},
    "/centralita.dispatch.v1.DispatchService/MoveTasks": SUPERVISOR,
    "/centralita.dispatch.v1.DispatchService/ReportUnreachable": {"voice"},
    "/centralita.dispatch.v1.DispatchService/SetQueueMode": SUPERVISOR,
    "/centralita.dispatch.v1.DispatchService/SubmitForTenant": {"voice"},
    "/centralita.dispatch.v1.DispatchService/SubmitTask": SUPERVISOR,
    "/centralita.dispatch.v1.DispatchService/TakeBackTask": SUPERVISOR,
    "/centralita.dispatch.v1.ExplainService/ExplainTask": SUPERVISOR,
    "/centralita.dispatch.v1.RemovalService/CountWork": {"directory"},
    "/centralita.dispatch.v1.RemovalService/Vacate": {"directory"},
    "/centralita.dispatch.v1.SimulationService/Compare": MANAGER,
    "/centralita.dispatch.v1.SimulationService/Simulate": MANAGER,
    "/centralita.ingestion.v1.IngestionService/Publish": ANYONE,
    "/centralita.presence.v1.PresenceService/Disconnect": AGENT,
    "/centralita.presence.v1.PresenceService/ForceStatus": SUPERVISOR,
    "/centralita.presence.v1.PresenceService/GetPresence": AGENT,
    "/centralita.presence.v1.PresenceService/GetTimeInStatus": AGENT,
    "/centralita.presence.v1.PresenceService/Heartbeat": AGENT,
    "/centralita.presence.v1.PresenceService/ListHistory": AGENT,
    "/centralita.presence.v1.PresenceService/ListPresences": AGENT,
    "/centralita.presence.v1.PresenceService/SetChannels": AGENT,
    "/centralita.presence.v1.PresenceService/SetReceiveNew": AGENT,
    "/centralita.presence.v1.PresenceService/SetStatus": AGENT,
    "/centralita.workspace.v1.WorkspaceService/ListCards": AGENT,
    "/centralita.workspace.v1.WorkspaceService/Watch": AGENT,
}

BETWEEN_SERVICES = {
    "/centralita.directory.v1.SessionService/IssueServiceToken",  # proved by the service's secret
    *(path for path, may in MAY_CALL.items() if isinstance(may, set) and may.isdisjoint(ROLES)),
}
"""Nothing that the edge knows."""
