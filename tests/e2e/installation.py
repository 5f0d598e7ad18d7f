"""Every service of an installation past its edge, and tokens for whoever may call one."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1.session_service_pb2_grpc import SessionServiceStub

from tests.e2e.people import PASSWORD, TENANT
from tests.e2e.standalone import Standalone
from tests.upstreams import SERVICES


@dataclass
class Installation:
    """Every service by its name, the edge, and who may be somebody there."""

    edge: str
    http: aiohttp.ClientSession
    services: dict[str, grpc.aio.Channel]
    tokens: dict[str, str]

    def as_whom(self, who: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.tokens[who]}"),) if who else ()


@asynccontextmanager
async def installed(standalone: Standalone) -> AsyncIterator[Installation]:
    """Reach all of a standalone installation, as an agent, its owner, or a service of its own."""
    home = standalone.var
    addresses = dict(_addresses(json.loads((home / "envoy.json").read_text())))
    secrets = json.loads((home / "secrets.json").read_text())["services"]
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(grpc.aio.insecure_channel(addresses[name]))
            for name in SERVICES
        }
        directory = SessionServiceStub(channels["directory"])
        tokens: dict[str, str] = {}
        for role, email in (("owner", "olga@demo.example"), ("agent", "ana@demo.example")):
            asked = session.SignInRequest(tenant_id=TENANT, email=email, password=PASSWORD)
            tokens[role] = (await directory.SignIn(asked)).tokens.access_token
        for name, secret in secrets.items():
            told = session.IssueServiceTokenRequest(service=name, secret=secret)
            tokens[name] = (await directory.IssueServiceToken(told)).access_token
        client = await stack.enter_async_context(aiohttp.ClientSession())
        edge = f"http://127.0.0.1:{standalone.port}"
        yield Installation(edge, client, channels, tokens)


def _addresses(envoy: Any) -> Iterable[tuple[str, str]]:
    for cluster in envoy["static_resources"]["clusters"]:
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        at = endpoints["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        yield cluster["name"], f"{at['address']}:{at['port_value']}"
