"""Every service of the installation in this one process, each with its own connection and user."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.contacts import __main__ as contacts
from services.conversations import __main__ as conversations
from services.directory import __main__ as directory
from services.dispatch import __main__ as dispatch
from services.ingestion import __main__ as ingestion
from services.kernel import streams
from services.kernel.bus import connected
from services.kernel.dead_letters import keeping
from services.kernel.env import from_env
from services.kernel.run import Running
from services.presence import __main__ as presence
from services.workspace import __main__ as workspace

from .edge import ROOT
from .secrets import Secrets
from .servers import free_port

# Those whose address others are told come first.
SERVICES: Mapping[str, Any] = {
    "directory": directory,
    "contacts": contacts,
    "presence": presence,
    "dispatch": dispatch,
    "conversations": conversations,
    "workspace": workspace,
    "ingestion": ingestion,
}

CALLED_BY_THE_FIRST = ("dispatch", "conversations")
"""The directory is told their addresses before they are there."""


@dataclass(frozen=True)
class Common:
    """What all services are told."""

    nats_url: Callable[[str], str]
    mongo_url: str
    secrets: Secrets


@asynccontextmanager
async def fleet(common: Common) -> AsyncIterator[dict[str, str]]:
    """Run everything; yield where the edge finds each thing that compose knows by its name."""
    async with connected(common.nats_url("streams"), name="streams") as bus:
        await streams.apply(bus.js)
    async with AsyncExitStack() as stack:
        letters = connected(common.nats_url("dead-letters"), name="dead-letters")
        await stack.enter_async_context(keeping(await stack.enter_async_context(letters)))
        places = {f"{name}:50051": f"127.0.0.1:{free_port()}" for name in CALLED_BY_THE_FIRST}
        for name, module in SERVICES.items():
            running = await stack.enter_async_context(_running(name, module, common, places))
            places[f"{name}:50051"] = running.grpc_address
            if running.http_address:
                places[f"{name}:8080"] = running.http_address
        yield places


def _running(
    name: str, module: Any, common: Common, places: Mapping[str, str]
) -> AbstractAsyncContextManager[Running]:
    settings = from_env(module.Settings, {**os.environ, **_told(name, common, places)})
    running: AbstractAsyncContextManager[Running] = module.service(settings)
    return running


def _told(name: str, common: Common, places: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of one service; those that it does not know do no harm."""
    told = {
        "NATS_URL": common.nats_url(name),
        "MONGO_URL": common.mongo_url,
        "GRPC_ADDRESS": places.get(f"{name}:50051", "127.0.0.1:0"),
        "HTTP_ADDRESS": "127.0.0.1:0",
        "HEALTH_ADDRESS": "",
        "SERVICE_SECRET": common.secrets.services.get(name, ""),
        "ALLOW_PRIVATE_CALLBACKS": "true",
    }
    called = {
        "CONVERSATIONS_ADDRESS": places["conversations:50051"],
        "DISPATCH_ADDRESS": places["dispatch:50051"],
    }
    if name == "directory":
        seed = ROOT / "deploy/seed/demo.toml"
        keys = {"KEY_ENCRYPTION_KEY": common.secrets.key_encryption_key, "SEED_FILE": str(seed)}
        return {**told, **called, **keys, "SERVICE_SECRETS": common.secrets.service_secrets()}
    addresses = {
        **called,
        "DIRECTORY_ADDRESS": places["directory:50051"],
        "CONTACTS_ADDRESS": places.get("contacts:50051", ""),
        "JWKS_URL": f"http://{places['directory:8080']}/.well-known/jwks.json",
    }
    return {**told, **addresses}
