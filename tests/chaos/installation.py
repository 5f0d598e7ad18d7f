"""Everything that runs, each in a process of its own, each on wires of its own to the broker."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nats.errors import Error

from services.kernel import streams
from services.kernel.bus import connected
from services.standalone.servers import free_port
from tests.processes import ServiceProcess
from tests.servers import MongoServer, NatsServer
from tests.tokens import Issuer, KeyServer, key_server

from .proxy import Wire, wire

DISPATCHES = 3
SHARDS = 2
LEASE_S = 4
PRESENCES = 2
CORE = ("directory", *["presence"] * PRESENCES, *["dispatch"] * DISPATCHES)
CHAT = ("contacts", "conversations", "workspace", "ingestion")
SECRETS = {name: f"{name}-secret-0123456789" for name in ("ingestion", "conversations")}
SEED = """
[tenants.acme]
display_name = "Acme"
[tenants.globex]
display_name = "Globex"
"""


@dataclass
class Plan:
    """What to install."""

    nodes: int = 1
    chat: bool = False
    plant: str = ""
    """A bug of `tests.faults.plants` in every dispatch."""

    def __str__(self) -> str:
        broker = "one broker" if self.nodes == 1 else f"{self.nodes} brokers"
        return f"{broker}, {'the whole chat path' if self.chat else 'the router and presence'}"


class Service(ServiceProcess):
    """A process of a service; a dispatch may have a bug planted in it."""

    def __init__(
        self, home: Path, name: str, number: int, environment: Mapping[str, str], wires: list[Wire]
    ) -> None:
        super().__init__(home / f"{name}-{number}", name, environment)
        self.label = f"{name}-{number}"
        self.http = environment["HTTP_ADDRESS"]
        self.wires = wires
        self._planted = bool(environment.get("PLANT"))

    def command(self) -> list[str]:
        if self._planted and self.name == "dispatch":
            return [sys.executable, "-m", "tests.faults.process"]
        return super().command()


@dataclass
class Installation:
    plan: Plan
    nodes: list[NatsServer]
    mongo: MongoServer
    services: list[Service]
    issuer: Issuer

    @property
    def nats_url(self) -> str:
        """The broker itself, for those who watch."""
        return ",".join(node.url for node in self.nodes)

    def named(self, name: str) -> list[Service]:
        return [service for service in self.services if service.name == name]

    def token(self, tenant_id: str, user_id: str, role: str = "agent") -> str:
        return self.issuer.user(tenant_id, user_id, role, iss="centralita")


@asynccontextmanager
async def installed(home: Path, plan: Plan) -> AsyncIterator[Installation]:
    """Start everything; what still runs at the end is killed."""
    issuer = Issuer()
    async with AsyncExitStack() as stack:
        nodes = _nodes(home, plan.nodes)
        mongo = MongoServer(home / "mongo")
        for server in (*nodes, mongo):
            stack.push_async_callback(asyncio.to_thread, server.kill)
            await asyncio.to_thread(server.start)
        it = Installation(plan, nodes, mongo, [], issuer)
        await _apply(it)
        keys = await stack.enter_async_context(key_server(issuer.jwks))
        (home / "seed.toml").write_text(SEED)
        environment = {
            "MONGO_URL": mongo.url,
            "SEED_FILE": str(home / "seed.toml"),
            "SERVICE_SECRETS": ",".join(f"{name}={word}" for name, word in SECRETS.items()),
            "JWKS_URL": keys.url,
            "SHARDS": str(SHARDS),
            "LEASE_SECONDS": str(LEASE_S),
            "PLANT": plan.plant,
            "UNLEASED": "1" if plan.plant == "unfenced" else "",
        }
        for number, name in enumerate(CORE + (CHAT if plan.chat else ())):
            wires = [await stack.enter_async_context(wire(node.port)) for node in nodes]
            own = {
                "HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
                "SERVICE_SECRET": SECRETS.get(name, ""),
                "NATS_URL": ",".join(f"nats://127.0.0.1:{one.port}" for one in wires),
            }
            service = Service(home, name, number, {**environment, **own}, wires)
            stack.push_async_callback(asyncio.to_thread, service.kill)
            await asyncio.to_thread(service.start)
            it.services.append(service)
            environment[f"{name.upper()}_ADDRESS"] = service.grpc
            if name == "directory":
                await asyncio.to_thread(_join_keys, keys, service.http)
        yield it


def _nodes(home: Path, count: int) -> list[NatsServer]:
    if count == 1:
        return [NatsServer(home / "n0")]
    routes = [free_port() for _ in range(count)]
    told = ",".join(f"nats://127.0.0.1:{port}" for port in routes)
    return [
        NatsServer(
            home / f"n{number}",
            *("-n", f"n{number}", "--cluster_name", "chaos", "--no_advertise"),
            *("--cluster", f"nats://127.0.0.1:{port}", "--routes", told),
        )
        for number, port in enumerate(routes)
    ]


async def _apply(it: Installation) -> None:
    """Make the streams, as soon as the brokers have elected who may."""
    async with asyncio.timeout(30), connected(it.nats_url, name="streams") as bus:
        while True:
            try:
                await streams.apply(bus.js, replicas=len(it.nodes))
            except (Error, TimeoutError):
                await asyncio.sleep(0.2)
            else:
                return


def _join_keys(keys: KeyServer, directory: str) -> None:
    """Believe the directory, which signs services in, beside our own issuer of users."""
    url = f"http://{directory}/.well-known/jwks.json"
    with urllib.request.urlopen(url, timeout=5) as answer:
        document = json.load(answer)
    ours: dict[str, Sequence[object]] = keys.document  # type: ignore[assignment] # a key set
    keys.document = {"keys": [*ours["keys"], *document["keys"]]}
