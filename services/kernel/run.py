"""A process runs one service until it is told to stop, then finishes what it began."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from .ending import ended
from .env import Dataclass, Misconfigured, from_env_or_exit
from .garbage import collect_seldom
from .health import Health
from .liveness import Liveness, liveness
from .telemetry import log_as, telemetry

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Dataclass)

DRAIN = 25.0
"""Seconds a service has to stop in. Kubernetes kills at 30."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where a service that has started can be reached; host:port, or "" where it does not serve."""

    grpc_address: str = ""
    http_address: str = ""
    health: Health | None = None


def run_from_env(
    service: Callable[[S], AbstractAsyncContextManager[Running]], kind: type[S], *, name: str = ""
) -> NoReturn:
    """Run a service as its environment says, or end with one line that names what is wrong."""
    name = name or _named(kind)
    run(service, from_env_or_exit(kind, name), name=name)


def run(
    service: Callable[[S], AbstractAsyncContextManager[Running]],
    settings: S,
    *,
    name: str = "",
    drain: float = DRAIN,
) -> NoReturn:
    """Enter the service, wait for SIGTERM or SIGINT, leave it, and end the process.

    Exits 0 after a clean stop and 1 when the service raised or did not stop in `drain` seconds.
    A second signal ends the process at once. Of the settings, `health_address` and
    `event_loop` ("asyncio" or "uvloop") are looked at when they exist. `name` is the name in
    logs and traces; left out, it is the package of the settings.
    """
    name = name or _named(type(settings))
    log_as(name)
    collect_seldom()
    with asyncio.Runner(loop_factory=_loop_factory(settings)) as runner:
        try:
            code = runner.run(_until_told(service, settings, name, drain))
        except Misconfigured as wrong:  # the probes have no place to listen at
            log.error("cannot start as configured", extra={"cause": str(wrong)})  # noqa: TRY400
            code = 1
    sys.exit(code)


def _named(kind: type[object]) -> str:
    return kind.__module__.rpartition(".")[0].rpartition(".")[2] or "centralita"


async def _until_told(
    service: Callable[[S], AbstractAsyncContextManager[Running]],
    settings: S,
    name: str,
    drain: float,
) -> int:
    stop = asyncio.Event()
    _listen(stop)
    asyncio.get_running_loop().set_exception_handler(_tell)
    address = str(getattr(settings, "health_address", ""))
    async with telemetry(name):
        with liveness(address) as probe:
            living = asyncio.create_task(_live(service, settings, probe, stop))
            told = asyncio.create_task(stop.wait())
            await asyncio.wait({living, told}, return_when=asyncio.FIRST_COMPLETED)
            started, probe.ready = probe.ready, False
            if not (started or living.done()):  # told to stop while it was still starting
                await ended(living, again_after=drain / 5, at_most=drain)
            await asyncio.wait({living}, timeout=drain if started else 0)
            await ended(told)
    if not living.done():
        log.error("did not stop in time", extra={"seconds": drain})
        sys.stderr.flush()
        os._exit(1)  # whatever hangs would hang a clean exit too
    if living.cancelled():
        return 0
    if isinstance(error := living.exception(), Misconfigured):
        log.error("cannot start as configured", extra={"cause": str(error)})
        return 1
    if error is not None:
        log.error("stopped by an error", exc_info=error, extra={"cause": str(error)})
        return 1
    return 0


async def _live(
    service: Callable[[S], AbstractAsyncContextManager[Running]],
    settings: S,
    probe: Liveness,
    stop: asyncio.Event,
) -> None:
    async with service(settings) as running:
        probe.health, probe.ready = running.health, not stop.is_set()
        log.info("serving", extra={"address": running.grpc_address or running.http_address})
        await stop.wait()
        log.info("stopping")
    log.info("stopped")


def _tell(_: asyncio.AbstractEventLoop, trouble: dict[str, Any]) -> None:
    """Log what no task awaited. asyncio itself would show the objects, and what is in them."""
    error = trouble.get("exception")
    log.error("nobody caught an error", exc_info=error, extra={"cause": str(trouble["message"])})


def _listen(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)


def _loop_factory(settings: object) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if getattr(settings, "event_loop", "asyncio") != "uvloop":
        return None
    import uvloop  # noqa: PLC0415 - only where it is asked for

    factory: Callable[[], Any] = uvloop.new_event_loop
    return factory
