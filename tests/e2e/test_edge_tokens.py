"""What the edge says of a token that is none of ours, and when it cannot say."""

import base64
import json
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
import pytest_asyncio

from tests.e2e.door import Door, opened
from tests.tokens import bearer
from tests.upstreams import Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANT = "/centralita.directory.v1.DirectoryService/GetTenant"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("edge")) as it:
        yield it


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda up: up.token(exp=1), "TOKEN_EXPIRED"),
        (lambda up: up.token(aud="another"), "TOKEN_INVALID"),
        (lambda up: up.token()[:-8] + "AAAAAAAA", "TOKEN_INVALID"),
        (lambda _: "nonsense", "TOKEN_INVALID"),
        (lambda up: _headed(up.token(), kid="of-another"), "TOKEN_INVALID"),
        (lambda up: _headed(up.token(), kid=None), "TOKEN_INVALID"),
        (lambda up: _headed(up.token(), kid=["one"]), "TOKEN_INVALID"),
        *(
            (lambda up, alg=alg: _headed(up.token(), alg=alg), "TOKEN_INVALID")
            for alg in ("none", "HS256", "RS256", "ES256", "PS512", "XX", None)
        ),
        (lambda up: up.token().rpartition(".")[0] + ".", "TOKEN_INVALID"),
        (lambda up: up.token() + ".more", "TOKEN_INVALID"),
        (lambda up: up.token(exp="soon"), "TOKEN_INVALID"),
        (lambda up: up.token(exp=2**64), "TOKEN_INVALID"),
        (lambda up: up.token(iss=None), "TOKEN_INVALID"),
        (lambda _: "a." * 4000, "TOKEN_INVALID"),
        (lambda _: "", "TOKEN_MISSING"),
    ],
)
async def test_a_bad_token_has_the_same_reason_in_grpc_and_rest(
    door: Door, make: Callable[[Upstreams], str], reason: str
) -> None:
    token = make(door.behind)
    assert await door.call(TENANT, token) == (grpc.StatusCode.UNAUTHENTICATED, reason)
    assert await door.refusal("GET", "/v1/tenant", headers=dict(bearer(token))) == (401, reason)


def _headed(token: str, **changed: object) -> str:
    """Return a token with other fields in its header, as it was signed; None omits one."""
    header, _, rest = token.partition(".")
    fields = {**json.loads(base64.urlsafe_b64decode(header + "==")), **changed}
    kept = json.dumps({name: value for name, value in fields.items() if value is not None})
    return f"{base64.urlsafe_b64encode(kept.encode()).decode().rstrip('=')}.{rest}"


async def test_a_token_in_the_query_string_is_no_token(door: Door) -> None:
    path = f"/v1/tenant?access_token={door.behind.token()}"
    status, _ = await door.refusal("GET", path)
    assert status in {400, 401}


async def test_keys_that_cannot_be_had_are_our_trouble_and_not_the_tokens(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    behind = Upstreams(keys_away=True)
    async with opened(tmp_path_factory.mktemp("keyless"), behind=behind, whole=False) as door:
        token = behind.token()
        assert await door.call(TENANT, token) == (grpc.StatusCode.UNAVAILABLE, "KEYS_UNAVAILABLE")
        assert await door.refusal("GET", "/v1/tenant", headers=dict(bearer(token))) == (
            503,
            "KEYS_UNAVAILABLE",
        )
