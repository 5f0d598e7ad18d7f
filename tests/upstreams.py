"""A real edge, and a stand-in for every service behind it that notes what arrives."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from centralita.workspace.v1.workspace_service_pb2 import WatchResponse
from google.api.annotations_pb2 import http  # type: ignore[import-untyped]  # no stubs
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_status import rpc_status

from services.standalone.edge import ADMIN, DESCRIPTORS, LISTENER, METRICS, rendered
from services.standalone.servers import free_port
from tests.tokens import Issuer

ENVOY = Path(sys.executable).with_name("envoy")
SERVICES = (
    "directory",
    "ingestion",
    "contacts",
    "conversations",
    "presence",
    "dispatch",
    "workspace",
)
WATCH = "/centralita.workspace.v1.WorkspaceService/Watch"
NOT_FOUND = "/centralita.conversations.v1.ConversationsService/GetConversation"


def methods() -> dict[str, MethodDescriptor]:
    """Every method of every service by its path, from the descriptors that the edge reads."""
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    modules = [
        importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        for file in files
        if file.name.startswith("centralita/")
    ]
    return {
        f"/{service.full_name}/{method.name}": method
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def routes() -> list[tuple[str, str, MethodDescriptor]]:
    """Every route of REST, as verb and path with placeholders, and the method it stands for."""
    found = []
    for method in methods().values():
        rule = method.GetOptions().Extensions[http]
        for binding in (rule, *rule.additional_bindings):
            if verb := binding.WhichOneof("pattern"):
                whole = "*" if verb in {"post", "put"} else ""
                assert binding.body == whole, "the edge judges bodies that are the whole request"
                found.append((verb.upper(), getattr(binding, verb), method))
    return found


@dataclass
class Upstreams:
    """What the edge finds behind it, and what arrived there."""

    issuer: Issuer = field(default_factory=Issuer)
    states: HealthServicer = field(default_factory=HealthServicer)
    places: dict[str, str] = field(default_factory=dict)
    """Where the edge has to look, for services.standalone.edge."""
    arrived: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The path of each request with its headers."""
    keys_away: bool = False

    def token(self, **claims: object) -> str:
        return self.issuer.token(
            {"iss": "centralita", "sub": "ana", "tenant": "demo", "role": "agent", **claims}
        )


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, it: Upstreams) -> None:
        self._it = it

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        path = handler_call_details.method
        if not path.startswith("/centralita."):
            return None
        headers = {key: str(value) for key, value in handler_call_details.invocation_metadata}
        self._it.arrived.append((path, headers))
        if path == WATCH:
            return grpc.unary_stream_rpc_method_handler(_watch)
        return grpc.unary_unary_rpc_method_handler(_not_found if path == NOT_FOUND else _empty)


async def _empty(_request: bytes, _context: Any) -> bytes:
    return b""


async def _not_found(_request: bytes, context: Any) -> bytes:
    detail = AnyMessage()
    detail.Pack(ErrorInfo(reason="CONVERSATION_NOT_FOUND", domain="centralita.conversations"))
    status = Status(code=5, message="No such conversation.", details=[detail])
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError


async def _watch(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
    for position in (1, 2):
        yield WatchResponse(position=position).SerializeToString()


@asynccontextmanager
async def upstreams(it: Upstreams | None = None) -> AsyncIterator[Upstreams]:
    """All services at one gRPC and one HTTP port, healthy."""
    it = it or Upstreams()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_AnyMethod(it),))
    health_pb2_grpc.add_HealthServicer_to_server(it.states, server)
    await it.states.set("", HealthCheckResponse.SERVING)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def http(request: web.Request) -> web.Response:
        if request.path == "/.well-known/jwks.json":
            return web.json_response(it.issuer.jwks, status=503 if it.keys_away else 200)
        it.arrived.append((request.path, dict(request.headers)))
        if request.path.startswith("/channels/silent/"):
            await asyncio.Event().wait()
        return web.json_response({"bytes": len(await request.read())})

    application = web.Application(client_max_size=4 << 20)
    application.router.add_route("*", "/{path:.*}", http)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http_port = runner.addresses[0][1]

    it.places |= {f"{name}:50051": f"127.0.0.1:{grpc_port}" for name in SERVICES}
    it.places |= {f"{name}:8080": f"127.0.0.1:{http_port}" for name in ("directory", "ingestion")}
    try:
        yield it
    finally:
        await server.stop(0)
        await runner.cleanup()


@contextmanager
def envoy(
    places: dict[str, str], home: Path, trusted_hops: int = 0, most_connections: int = 0
) -> Iterator[str]:
    """A real Envoy with the real configuration; yields its host:port once it answers.

    It has room for fewer connections if a test says so.
    """
    address = f"127.0.0.1:{free_port()}"
    own = {LISTENER: address, METRICS: f"127.0.0.1:{free_port()}"}
    own[ADMIN] = f"127.0.0.1:{free_port()}"
    config = home / "envoy.json"
    edge = json.loads(rendered({**places, **own}, trusted_hops))
    if most_connections:
        connections, *_ = edge["overload_manager"]["resource_monitors"]
        connections["typed_config"]["max_active_downstream_connections"] = most_connections
    config.write_text(json.dumps(edge))
    command = [str(ENVOY), "-c", str(config), "--concurrency", "1", "--disable-hot-restart"]
    command += ["-l", "error", "--file-flush-interval-msec", "100"]
    with (home / "envoy.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        _answers(f"http://{address}/livez", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("Envoy did not start; see envoy.log beside its configuration.")
