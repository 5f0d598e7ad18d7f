"""Every method is open to those whom tests/roles.py names and to nobody else, at both doors.

What is sent is no message: whoever is let in is told so, and nothing happens.
"""

from dataclasses import dataclass

import grpc
import pytest
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from centralita.options.v1.options_pb2 import ROLE_ADMINISTRATOR, ROLE_MANAGER

from services.kernel.answers import reason_of
from tests.e2e.installation import Installation
from tests.e2e.people import PASSWORD, Edge, User
from tests.roles import AGENT, ANYONE, BETWEEN_SERVICES, MAY_CALL, OWNER, ROLES, SUPERVISOR, Who
from tests.upstreams import SERVICES, WATCH

NO_MESSAGE = b"\xff"
LET_IN = "MALFORMED_REQUEST"


@dataclass(frozen=True)
class Everybody:
    """A token of each role and of each service that has one; nobody has none."""

    tokens: dict[str, str]


@pytest.fixture
async def everybody(installation: Installation, edge: Edge) -> Everybody:
    tokens = {"": "", **installation.tokens}
    tokens[SUPERVISOR] = _token(await User.sign_in(edge, "sam@demo.example"))
    owner = DirectoryServiceStub(edge.channel)
    for name, role in (("manager", ROLE_MANAGER), ("administrator", ROLE_ADMINISTRATOR)):
        email = f"{name}@demo.example"
        user = resources.User(user_id=name, email=email, display_name=name, role=role)
        await owner.PutUser(
            directory.PutUserRequest(user=user, password=PASSWORD),
            metadata=installation.as_whom(OWNER),
        )
        tokens[name] = _token(await User.sign_in(edge, email))
    assert set(tokens) > {"", *ROLES}
    return Everybody(tokens)


def _token(user: User) -> str:
    return user.metadata[0][1].removeprefix("Bearer ")


def _expected(may: Who, who: str) -> str:
    if may == ANYONE:
        return LET_IN
    if not who:
        return "TOKEN_MISSING"
    words = may if isinstance(may, set) else {may}
    least = next((role for role in ROLES if role in words), "")
    if who not in ROLES or not least:
        return LET_IN if who in words else "SERVICE_NOT_ALLOWED"
    return LET_IN if ROLES.index(who) >= ROLES.index(least) else "ROLE_TOO_LOW"


async def _answer(channel: grpc.aio.Channel, path: str, token: str) -> str:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    streaming: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
    calling: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    try:
        if path == WATCH:
            async for _ in streaming(NO_MESSAGE, metadata=metadata, timeout=20):
                break
        else:
            await calling(NO_MESSAGE, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return "OK"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_lets_in_whom_the_table_names(
    installation: Installation, everybody: Everybody, service: str
) -> None:
    wrong = [
        (path, who, answer)
        for path, may in MAY_CALL.items()
        if path.split(".")[1] == service
        for who, token in everybody.tokens.items()
        if (answer := await _answer(installation.services[service], path, token))
        != _expected(may, who)
    ]
    assert not wrong


async def test_the_edge_lets_in_whom_the_table_names(edge: Edge, everybody: Everybody) -> None:
    wrong = []
    for path, may in MAY_CALL.items():
        for who, token in everybody.tokens.items():
            expected = _expected(may, who)
            if path in BETWEEN_SERVICES:  # the edge does not know it, whoever asks
                expected = "ROUTE_NOT_FOUND" if token else "TOKEN_MISSING"
            answer = await _answer(edge.channel, path, token)
            if answer != expected:
                wrong.append((path, who, answer, expected))
    assert not wrong


def test_the_table_tells_roles_apart() -> None:
    """Were every row the same, a walk would prove nothing."""
    assert {may for may in MAY_CALL.values() if isinstance(may, str)} >= {ANYONE, AGENT, SUPERVISOR}
