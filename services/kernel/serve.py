"""One gRPC server per process, guarded and healthy, that stops without dropping a call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import grpc
from centralita.options.v1.options_pb2 import AccessOptions
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health_servicers
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from .answers import Codes
from .calls import Calls, Handler
from .health import Health
from .identity import Guard, rules_of
from .listening import listening
from .text import TextFlaw, TextInvalid

S = TypeVar("S")

LARGEST_MESSAGE = 4 * 1024 * 1024
GRACE = 10.0
"""Seconds that running calls have to finish in."""

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    # Identity alone: what is compressed would be unpacked before anybody has asked who sent it.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.max_concurrent_streams", 1024),  # per connection; a proxy opens more of them
    ("grpc.so_reuseport", 0),  # two processes on one port must fail, not share it in silence
    ("grpc.keepalive_time_ms", 20_000),  # notices a client that vanished
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),  # pings that a busy machine held up come in a bunch
)


@dataclass(frozen=True, slots=True)
class Exposed(Generic[S]):
    """A servicer, and the generated function that adds one of its kind to a server."""

    add: Callable[[S, grpc.aio.Server], None]
    servicer: S


@asynccontextmanager
async def serving(  # noqa: PLR0913 - a server is these things
    address: str,
    exposed: Sequence[Exposed[Any]],
    *,
    guard: Guard,
    codes: Codes,
    domain: str = "",
    refused_text: Callable[[TextFlaw], Exception] = TextInvalid,
    health: Health | None = None,
    grace: float = GRACE,
) -> AsyncIterator[str]:
    """Serve at host:port (port 0 chooses one) and yield the address that was bound.

    `codes` maps what the service refuses to gRPC codes. `domain` is the ErrorInfo domain; left
    out, it is the package of the first servicer without its version. `refused_text` is the
    service's own word for a text that breaks its rule. While `health` is not well, health says
    NOT_SERVING. So it does on exit: streams end with UNAVAILABLE RECONNECT, other calls have
    `grace` seconds.
    """
    methods = {name: handlers for it in exposed for name, handlers in _methods_of(it).items()}
    domain = domain or next(iter(methods), "centralita").rsplit(".", 2)[0]
    calls = Calls(guard, codes, domain, refused_text)
    server = grpc.aio.server(options=OPTIONS)
    for name, handlers in methods.items():
        _expose(server, calls, name, handlers, rules_of(name))
    status = health_servicers.HealthServicer()
    anyone = AccessOptions(anyone=True)
    for name, handlers in _methods_of(Exposed(add_HealthServicer_to_server, status)).items():
        _expose(server, calls, name, handlers, dict.fromkeys(handlers, anyone))
    _reflect(server, [*methods, HEALTH])
    with listening("GRPC_ADDRESS", address):
        port = server.add_insecure_port(address)
    await server.start()

    async def tell(well: bool) -> None:  # noqa: FBT001 - the whole of what there is to tell
        said = HealthCheckResponse.SERVING if well else HealthCheckResponse.NOT_SERVING
        for name in methods:
            await status.set(name, said)

    await tell(health is None or health.well)
    if health is not None:
        health.tell(tell)
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        await status.enter_graceful_shutdown()
        calls.drain()
        await asyncio.shield(server.stop(grace))


def _expose(
    server: grpc.aio.Server,
    calls: Calls,
    service: str,
    handlers: Mapping[str, Handler],
    rules: Mapping[str, AccessOptions],
) -> None:
    wrapped = {
        name: calls.wrapped(f"{service}/{name}", handler, rules.get(name))
        for name, handler in handlers.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))


class _Recorder:
    """Stands in for a server, to learn what a generated function would add to it."""

    def __init__(self) -> None:
        self.methods: dict[str, dict[str, Handler]] = {}

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Ignore the older form of the same registration."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        self.methods[service] = handlers


def _methods_of(it: Exposed[Any]) -> Mapping[str, dict[str, Handler]]:
    recorder = _Recorder()
    it.add(it.servicer, cast("grpc.aio.Server", recorder))
    return recorder.methods


def _reflect(server: grpc.aio.Server, names: Sequence[str]) -> None:
    """Let tools list and describe the services, under the name of today and the older one."""
    from grpc_reflection.v1alpha import (  # noqa: PLC0415 - four megabytes
        reflection,
        reflection_pb2_grpc,
    )

    servicer = reflection.aio.ReflectionServicer([*names, reflection.SERVICE_NAME])
    it = Exposed(reflection_pb2_grpc.add_ServerReflectionServicer_to_server, servicer)
    for name, handlers in _methods_of(it).items():
        for version in (name, name.replace("v1alpha", "v1")):  # the messages are the same
            handler = grpc.method_handlers_generic_handler(version, handlers)
            server.add_generic_rpc_handlers((handler,))
