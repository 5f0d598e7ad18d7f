"""A body has the members that its route takes and no other: none is dropped without a word."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub

from tests.e2e.door import Door, opened
from tests.tokens import bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN, MALFORMED = (400, "FIELD_UNKNOWN"), (400, "MALFORMED_REQUEST")
USER = "/v1/users/ana"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("edge")) as it:
        yield it


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("PUT", USER, b'{"user": {"queues": ["support"]}}'),
        ("PUT", USER, b'{"usr": {}}'),
        ("PUT", USER, b'{"userId": "ana"}'),  # of the message inside, one storey too high
        ("PUT", USER, b'{"user": {"skills": [{"skillId": "a"}, {"skillId": "b", "lvl": 1}]}}'),
        ("PUT", USER, b'{"user": {"queueids": []}}'),
        ("PUT", USER, b'{"user": {"queue_Ids": []}}'),
        ("PUT", USER, b'{"us\\u0065r": {}}'),
        ("PUT", USER, b'{"": {}}'),
        ("PUT", USER, b'{"\xff": {}}'),
        ("PUT", f"{USER}/", b'{"user": {"queues": ["support"]}}'),
        ("PUT", "/v1/queues/a", b'{"queue": {"businessHours": {"overflow": {"queue": "b"}}}}'),
        ("PUT", "/v1/presence-policy", b'{"presencePolicy": {"customStatuses": [{"id": "a"}]}}'),
        ("PUT", "/v1/presence/users/a/status", b'{"state": "STATUS_DND"}'),
        ("POST", "/v1/conversations/a:reply", b'{"requestId": "r", "message": "Hello"}'),
        ("POST", "/v1/session:signIn", b'{"tenant": "demo"}'),
        ("POST", "/v1/tasks:move", b'{"targetQueueId": "a", "tasks": ["t"]}'),
    ],
)
async def test_an_unknown_member_is_refused(door: Door, verb: str, path: str, body: bytes) -> None:
    door.behind.arrived.clear()
    assert await door.refusal(verb, path, data=body, headers=door.authorized()) == UNKNOWN
    assert not door.behind.arrived


async def test_the_refusal_names_the_member(door: Door) -> None:
    _, body = await door.ask("PUT", USER, data=b'{"user":{"queues":[]}}', headers=door.authorized())
    assert b"There is no field queues here." in body


@pytest.mark.parametrize(
    "body",
    [
        b'{"user": {"userId": "ana", "queueIds": ["a"], "skills": [{"skillId": "a", "level": 1}]}}',
        b'{"user": {"user_id": "ana", "display_name": "{\\"queues\\": [1]}, \\\\"}}',
        b' { "password" : "" , "user" : { "skills" : [ ] , "chatCapacity" : 3 } } ',
        b'{"user": {"displayName": "' + b"x" * 900_000 + b'"}}',
        b"{}",
        b"",
    ],
    ids=["camel", "snake", "spaced", "large", "empty", "none"],
)
async def test_what_the_message_has_arrives(door: Door, body: bytes) -> None:
    status, _ = await door.ask("PUT", USER, data=body, headers=door.authorized())
    assert status == 200


async def test_a_table_of_anything_is_nobody_elses_to_judge(door: Door) -> None:
    body = b'{"scenario": {"anything": {"at": [{"all": null}]}}}'
    status, _ = await door.ask("POST", "/v1/simulations:run", data=body, headers=door.authorized())
    assert status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{'user': {}}",
        b"{user: {}}",
        b'{"user": {},}',
        b'{"user": {}} {}',
        b'{"user"',
        b"[" * 9_000,
    ],
)
async def test_what_only_the_transcoder_takes_for_json_is_malformed(
    door: Door, body: bytes
) -> None:
    """Its parser takes names without quotes: they would come past."""
    assert await door.refusal("PUT", USER, data=body, headers=door.authorized()) == MALFORMED


async def test_grpc_takes_fields_of_newer_clients(door: Door) -> None:
    newer = directory.PutUserRequest.FromString(b"\xfa\xff\xff\xff\x0f\x03new")
    stub = DirectoryServiceStub(door.channel)
    assert await stub.PutUser(newer, metadata=bearer(door.behind.token())) is not None


async def test_an_unknown_query_parameter_is_refused(door: Door) -> None:
    for path in ("/v1/users?pagesize=3", f"{USER}?queues=a", "/v1/users?pageSize.a=1"):
        assert await door.refusal("GET", path, headers=door.authorized()) == MALFORMED


async def test_webhooks_take_what_a_provider_adds(door: Door) -> None:
    status, _ = await door.ask("POST", "/channels/demo/shop/messages", data=b'{"newer": 1}')
    assert status == 200
