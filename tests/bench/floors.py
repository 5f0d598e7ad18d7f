"""What the bus alone costs, and gRPC alone, on this machine, in this minute."""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import uvloop
from nats.aio.msg import Msg

from services.kernel.bus import Bus

MESSAGES = 1_000
PAYLOAD = b"x" * 200


async def publish_to_consume(bus: Bus, per_second: float, messages: int = MESSAGES) -> list[float]:
    """Return the seconds from publishing a message to having it, through JetStream."""
    sent: dict[int, float] = {}
    took: list[float] = []
    done = asyncio.Event()

    async def arrived(message: Msg) -> None:
        number = int(message.data[:8])
        took.append(time.perf_counter() - sent[number])
        if len(took) == messages:
            done.set()

    await bus.js.add_stream(name="FLOOR", subjects=["floor"])
    try:
        await bus.js.subscribe("floor", stream="FLOOR", ordered_consumer=True, cb=arrived)
        async for number in paced(messages, per_second):
            sent[number] = time.perf_counter()
            await bus.nc.publish("floor", b"%08d" % number + PAYLOAD)
        async with asyncio.timeout(30):
            await done.wait()
    finally:
        await bus.js.delete_stream("FLOOR")
    return took


async def key_value_write(bus: Bus, per_second: float, writes: int = MESSAGES) -> list[float]:
    """Return the seconds that writing a key takes, until it is acknowledged."""
    bucket = await bus.js.create_key_value(bucket="floor")
    took: list[float] = []
    try:
        async for number in paced(writes, per_second):
            began = time.perf_counter()
            await bucket.put(f"key-{number % 100}", PAYLOAD)
            took.append(time.perf_counter() - began)
    finally:
        await bus.js.delete_key_value("floor")
    return took


@contextmanager
def bare_server(method: str, answer: bytes) -> Iterator[tuple[str, int]]:
    """Yield host:port and process id of a gRPC server that gives one answer and does nothing."""
    anew = multiprocessing.get_context("spawn")  # gRPC does not survive a fork
    here, there = anew.Pipe(duplex=False)
    process = anew.Process(target=_serve_bare, args=(method, answer, there), daemon=True)
    process.start()
    there.close()
    assert process.pid is not None
    try:
        yield f"127.0.0.1:{here.recv()}", process.pid
    finally:
        process.terminate()
        process.join(10)


def _serve_bare(method: str, answer: bytes, port: Connection) -> None:
    async def give(_request: bytes, _context: object) -> bytes:
        return answer

    async def serve() -> None:
        server = grpc.aio.server()
        service, _, name = method.rpartition("/")
        handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(give)}
        generic = grpc.method_handlers_generic_handler(service.lstrip("/"), handlers)
        server.add_generic_rpc_handlers((generic,))
        bound = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        port.send(bound)
        await server.wait_for_termination()

    uvloop.run(serve())  # as services run


async def paced(count: int, per_second: float) -> AsyncIterator[int]:
    """Count at a steady rate, whatever the body takes: a slow body does not slow the arrivals."""
    began = time.perf_counter()
    for number in range(count):
        wait = began + number / per_second - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        yield number


def synced(home: Path) -> tuple[str, ...]:
    """Return the options of a NATS server that syncs every write before it acknowledges it."""
    config = home / "synced.conf"
    home.mkdir(parents=True, exist_ok=True)
    config.write_text("jetstream { sync_interval: always }\n")
    return ("-c", str(config))
