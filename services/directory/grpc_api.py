"""DirectoryService and SessionService over gRPC: translate, delegate, translate back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from centralita.directory.v1 import directory_service_pb2 as pb
from centralita.directory.v1 import session_service_pb2 as session_pb
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceServicer
from centralita.directory.v1.session_service_pb2_grpc import SessionServiceServicer
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.client_network import client_network
from services.kernel.identity import caller

from . import messages
from .domain import errors
from .domain.channel_account import ChannelAccount
from .domain.group import Group
from .domain.queue import Queue
from .domain.tenant import Tenant
from .domain.user import Role, User
from .durations import duration
from .use_cases.presence_policy import PutPresencePolicy, ReadPresencePolicy
from .use_cases.removals import DeleteChannelAccount, DeleteGroup, DeleteQueue
from .use_cases.resources import (
    PutChannelAccount,
    PutGroup,
    PutQueue,
    ResolveChannelAccount,
    RotateSecret,
)
from .use_cases.sessions import IssueServiceToken, RefreshSession, SignedIn, SignIn, SignOut
from .use_cases.shelves import Read
from .use_cases.users import DeleteUser, PutUser

Context = ServicerContext[Any, Any]

CODES: Mapping[type[Exception], StatusCode] = {
    errors.FieldInvalid: StatusCode.INVALID_ARGUMENT,
    errors.UnknownUser: StatusCode.INVALID_ARGUMENT,
    errors.UnknownQueue: StatusCode.INVALID_ARGUMENT,
    errors.UnknownGroup: StatusCode.INVALID_ARGUMENT,
    errors.TenantNotFound: StatusCode.NOT_FOUND,
    errors.UserNotFound: StatusCode.NOT_FOUND,
    errors.QueueNotFound: StatusCode.NOT_FOUND,
    errors.GroupNotFound: StatusCode.NOT_FOUND,
    errors.ChannelAccountNotFound: StatusCode.NOT_FOUND,
    errors.EmailTaken: StatusCode.ALREADY_EXISTS,
    errors.RoleTooLow: StatusCode.PERMISSION_DENIED,
    errors.LastOwner: StatusCode.FAILED_PRECONDITION,
    errors.InUse: StatusCode.FAILED_PRECONDITION,
    errors.QueueHasTasks: StatusCode.FAILED_PRECONDITION,
    errors.GroupHasTasks: StatusCode.FAILED_PRECONDITION,
    errors.ChannelAccountHasConversations: StatusCode.FAILED_PRECONDITION,
    errors.OverflowCycle: StatusCode.FAILED_PRECONDITION,
    errors.VersionStale: StatusCode.ABORTED,
    errors.Stale: StatusCode.ABORTED,
    errors.SignInRefused: StatusCode.UNAUTHENTICATED,
    errors.SignInThrottled: StatusCode.RESOURCE_EXHAUSTED,
    errors.SessionEnded: StatusCode.UNAUTHENTICATED,
    errors.ServiceSecretRefused: StatusCode.UNAUTHENTICATED,
}


@dataclass(frozen=True, slots=True)
class Directory:
    """The use cases behind DirectoryService."""

    tenants: Read[Tenant]
    users: Read[User]
    queues: Read[Queue]
    groups: Read[Group]
    accounts: Read[ChannelAccount]
    put_user: PutUser
    delete_user: DeleteUser
    put_queue: PutQueue
    delete_queue: DeleteQueue
    put_group: PutGroup
    delete_group: DeleteGroup
    put_account: PutChannelAccount
    delete_account: DeleteChannelAccount
    rotate_secret: RotateSecret
    resolve: ResolveChannelAccount
    presence_policy: ReadPresencePolicy
    put_presence_policy: PutPresencePolicy


class DirectoryApi(DirectoryServiceServicer):
    """The tenant and the actor's role always come from the caller's token."""

    def __init__(self, directory: Directory) -> None:
        self._do = directory

    async def GetTenant(
        self, request: pb.GetTenantRequest, context: Context
    ) -> pb.GetTenantResponse:
        mine = caller().tenant_id
        slot = await self._do.tenants.one(mine, mine)
        return pb.GetTenantResponse(tenant=messages.from_tenant(slot))

    async def PutUser(self, request: pb.PutUserRequest, context: Context) -> pb.PutUserResponse:
        messages.required(request, "user")
        slot = await self._do.put_user(
            Role(caller().role),
            messages.to_user(caller().tenant_id, request.user),
            request.password,
            version=request.user.version,
        )
        return pb.PutUserResponse(user=messages.from_user(slot))

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.GetUserResponse:
        slot = await self._do.users.one(caller().tenant_id, request.user_id)
        return pb.GetUserResponse(user=messages.from_user(slot))

    async def ListUsers(
        self, request: pb.ListUsersRequest, context: Context
    ) -> pb.ListUsersResponse:
        page = await self._do.users.page(caller().tenant_id, request.page_size, request.page_token)
        return pb.ListUsersResponse(
            users=map(messages.from_user, page.slots), next_page_token=page.next_token
        )

    async def DeleteUser(
        self, request: pb.DeleteUserRequest, context: Context
    ) -> pb.DeleteUserResponse:
        await self._do.delete_user(Role(caller().role), caller().tenant_id, request.user_id)
        return pb.DeleteUserResponse()

    async def PutQueue(self, request: pb.PutQueueRequest, context: Context) -> pb.PutQueueResponse:
        messages.required(request, "queue")
        slot = await self._do.put_queue(
            messages.to_queue(caller().tenant_id, request.queue), version=request.queue.version
        )
        return pb.PutQueueResponse(queue=messages.from_queue(slot))

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:
        slot = await self._do.queues.one(caller().tenant_id, request.queue_id)
        return pb.GetQueueResponse(queue=messages.from_queue(slot))

    async def ListQueues(
        self, request: pb.ListQueuesRequest, context: Context
    ) -> pb.ListQueuesResponse:
        page = await self._do.queues.page(caller().tenant_id, request.page_size, request.page_token)
        return pb.ListQueuesResponse(
            queues=map(messages.from_queue, page.slots), next_page_token=page.next_token
        )

    async def DeleteQueue(
        self, request: pb.DeleteQueueRequest, context: Context
    ) -> pb.DeleteQueueResponse:
        who = caller()
        await self._do.delete_queue(who.user_id, who.tenant_id, request.queue_id, request.move_to)
        return pb.DeleteQueueResponse()

    async def PutGroup(self, request: pb.PutGroupRequest, context: Context) -> pb.PutGroupResponse:
        messages.required(request, "group")
        slot = await self._do.put_group(
            messages.to_group(caller().tenant_id, request.group), version=request.group.version
        )
        return pb.PutGroupResponse(group=messages.from_group(slot))

    async def GetGroup(self, request: pb.GetGroupRequest, context: Context) -> pb.GetGroupResponse:
        slot = await self._do.groups.one(caller().tenant_id, request.group_id)
        return pb.GetGroupResponse(group=messages.from_group(slot))

    async def ListGroups(
        self, request: pb.ListGroupsRequest, context: Context
    ) -> pb.ListGroupsResponse:
        page = await self._do.groups.page(caller().tenant_id, request.page_size, request.page_token)
        return pb.ListGroupsResponse(
            groups=map(messages.from_group, page.slots), next_page_token=page.next_token
        )

    async def DeleteGroup(
        self, request: pb.DeleteGroupRequest, context: Context
    ) -> pb.DeleteGroupResponse:
        who = caller()
        await self._do.delete_group(who.user_id, who.tenant_id, request.group_id, request.move_to)
        return pb.DeleteGroupResponse()

    async def PutChannelAccount(
        self, request: pb.PutChannelAccountRequest, context: Context
    ) -> pb.PutChannelAccountResponse:
        messages.required(request, "channel_account")
        slot = await self._do.put_account(
            messages.to_channel_account(caller().tenant_id, request.channel_account),
            version=request.channel_account.version,
        )
        return pb.PutChannelAccountResponse(channel_account=messages.from_channel_account(slot))

    async def GetChannelAccount(
        self, request: pb.GetChannelAccountRequest, context: Context
    ) -> pb.GetChannelAccountResponse:
        slot = await self._do.accounts.one(caller().tenant_id, request.channel_account_id)
        return pb.GetChannelAccountResponse(channel_account=messages.from_channel_account(slot))

    async def ListChannelAccounts(
        self, request: pb.ListChannelAccountsRequest, context: Context
    ) -> pb.ListChannelAccountsResponse:
        page = await self._do.accounts.page(
            caller().tenant_id, request.page_size, request.page_token
        )
        return pb.ListChannelAccountsResponse(
            channel_accounts=map(messages.from_channel_account, page.slots),
            next_page_token=page.next_token,
        )

    async def DeleteChannelAccount(
        self, request: pb.DeleteChannelAccountRequest, context: Context
    ) -> pb.DeleteChannelAccountResponse:
        await self._do.delete_account(
            caller().tenant_id, request.channel_account_id, leave_open=request.leave_open
        )
        return pb.DeleteChannelAccountResponse()

    async def RotateChannelAccountSecret(
        self, request: pb.RotateChannelAccountSecretRequest, context: Context
    ) -> pb.RotateChannelAccountSecretResponse:
        secret = await self._do.rotate_secret(caller().tenant_id, request.channel_account_id)
        return pb.RotateChannelAccountSecretResponse(secret=secret)

    async def ResolveChannelAccount(
        self, request: pb.ResolveChannelAccountRequest, context: Context
    ) -> pb.ResolveChannelAccountResponse:
        slot, secrets = await self._do.resolve(request.tenant_id, request.channel_account_id)
        return pb.ResolveChannelAccountResponse(
            channel_account=messages.from_channel_account(slot),
            secrets=secrets,
            incarnation=slot.incarnation,
        )

    async def GetPresencePolicy(
        self, request: pb.GetPresencePolicyRequest, context: Context
    ) -> pb.GetPresencePolicyResponse:
        slot = await self._do.presence_policy(caller().tenant_id)
        return pb.GetPresencePolicyResponse(presence_policy=messages.from_presence_policy(slot))

    async def PutPresencePolicy(
        self, request: pb.PutPresencePolicyRequest, context: Context
    ) -> pb.PutPresencePolicyResponse:
        messages.required(request, "presence_policy")
        slot = await self._do.put_presence_policy(
            messages.to_presence_policy(caller().tenant_id, request.presence_policy),
            version=request.presence_policy.version,
        )
        return pb.PutPresencePolicyResponse(presence_policy=messages.from_presence_policy(slot))


@dataclass(frozen=True, slots=True)
class SigningIn:
    """The use cases behind SessionService."""

    sign_in: SignIn
    refresh: RefreshSession
    sign_out: SignOut
    issue: IssueServiceToken


class SessionApi(SessionServiceServicer):
    def __init__(self, signing_in: SigningIn) -> None:
        self._do = signing_in

    async def SignIn(
        self, request: session_pb.SignInRequest, context: Context
    ) -> session_pb.SignInResponse:
        done = await self._do.sign_in(
            request.tenant_id, request.email, request.password, client_network()
        )
        return session_pb.SignInResponse(
            tokens=_tokens(done), user_id=done.user_id, role=messages.from_role(done.role)
        )

    async def RefreshSession(
        self, request: session_pb.RefreshSessionRequest, context: Context
    ) -> session_pb.RefreshSessionResponse:
        done = await self._do.refresh(request.refresh_token)
        return session_pb.RefreshSessionResponse(tokens=_tokens(done))

    async def SignOut(
        self, request: session_pb.SignOutRequest, context: Context
    ) -> session_pb.SignOutResponse:
        await self._do.sign_out(request.refresh_token)
        return session_pb.SignOutResponse()

    async def IssueServiceToken(
        self, request: session_pb.IssueServiceTokenRequest, context: Context
    ) -> session_pb.IssueServiceTokenResponse:
        token = self._do.issue(request.service, request.secret)
        return session_pb.IssueServiceTokenResponse(
            access_token=token.text, expires_in=duration(token.expires_in)
        )


def _tokens(done: SignedIn) -> session_pb.Tokens:
    return session_pb.Tokens(
        access_token=done.access.text,
        expires_in=duration(done.access.expires_in),
        refresh_token=done.refresh_token,
    )
