"""The whole of Centralita with every service in a process of its own, behind one edge."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from services.kernel import streams
from services.kernel.bus import connected
from services.standalone.servers import free_port
from tests.processes import ROOT, ServiceProcess
from tests.servers import mongo_server, nats_server
from tests.upstreams import envoy

ORDER = (
    "directory",
    "contacts",
    "conversations",
    "presence",
    "dispatch",
    "workspace",
    "ingestion",
)
NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def distributed(home: Path, extra: Mapping[str, str] = NOTHING) -> Iterator[str]:
    """Start everything, each with `extra` in its environment; yield the edge's host:port."""
    with ExitStack() as stack:
        nats = stack.enter_context(nats_server(home / "nats"))
        mongo = stack.enter_context(mongo_server(home / "mongo"))
        asyncio.run(_apply(nats.url))
        shared = {name: secrets.token_hex(16) for name in ("ingestion", "conversations")}
        environment = {
            "NATS_URL": nats.url,
            "MONGO_URL": mongo.url,
            "SEED_FILE": str(ROOT / "deploy/seed/demo.toml"),
            "SERVICE_SECRETS": ",".join(f"{name}={word}" for name, word in shared.items()),
            "ALLOW_PRIVATE_CALLBACKS": "true",
            **extra,
        }
        places: dict[str, str] = {}
        for name in ORDER:
            http = f"127.0.0.1:{free_port()}"
            own = {"HTTP_ADDRESS": http, "SERVICE_SECRET": shared.get(name, "")}
            process = ServiceProcess(home, name, {**environment, **own})
            process.start()
            stack.callback(process.stop)
            places[f"{name}:50051"] = process.grpc
            places[f"{name}:8080"] = http
            environment[f"{name.upper()}_ADDRESS"] = process.grpc
            if name == "directory":
                environment["JWKS_URL"] = f"http://{http}/.well-known/jwks.json"
        yield stack.enter_context(envoy(places, home))


async def _apply(url: str) -> None:
    async with connected(url, name="streams") as bus:
        await streams.apply(bus.js)
