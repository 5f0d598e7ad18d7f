"""python -m services.standalone: a bus, a store, every service and the edge, on one machine."""

import asyncio
import fcntl
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import aiohttp

from services.kernel.env import Misconfigured, from_env
from services.kernel.run import Running, run

from .children import READY, CannotRun
from .edge import ADMIN, LISTENER, METRICS, written
from .fleet import Common, fleet
from .secrets import kept_secrets
from .servers import bus, envoy, free_port, insist_on_port, insist_on_servers, store
from .settings import Settings

WELCOME = """
Centralita is ready at http://{address}

  sign in    tenant demo, e-mail ana@demo.example, password centralita-demo
             (also ben, sam the supervisor, olga the owner: deploy/seed/demo.toml)
  data, logs {var_dir}
  stop       Ctrl-C

"""


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    """Start everything from the bottom up, and stop it from the top down."""
    var = settings.var_dir.resolve()
    logs = var / "log"
    log_to(logs / "centralita.log")
    with alone_in(var):
        insist_on_port(settings.port)
        await insist_on_servers({"NATS_URL": settings.nats_url, "MONGO_URL": settings.mongo_url})
        secrets = kept_secrets(var / "secrets.json")
        async with (
            bus(settings.nats_url, var / "nats", logs / "nats.log", secrets) as nats_url,
            store(settings.mongo_url, var / "mongo", logs / "mongo.log") as mongo_url,
            fleet(Common(nats_url, mongo_url, secrets)) as places,
            envoy(
                written(
                    var / "envoy.json",
                    {**places, **own_places(settings.port)},
                    settings.trusted_hops,
                ),
                settings.port,
                logs / "envoy.log",
            ) as address,
        ):
            await healthy(f"http://{address}/healthz")
            sys.stdout.write(WELCOME.format(address=address, var_dir=settings.var_dir))
            sys.stdout.flush()
            yield Running(http_address=address)


def make_rooms(var_dir: Path) -> None:
    """Make the directories that are missing, or raise CannotRun where nothing can be written."""
    var = var_dir.resolve()
    try:
        for room in ("log", "nats", "mongo"):
            (var / room).mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=var / room) as probe:
                probe.write(b"room")
    except OSError as no:
        raise CannotRun(
            f"VAR_DIR {var} cannot be written ({no.strerror}). Choose another directory:"
            " VAR_DIR=other make run"
        ) from no


def own_places(port: int) -> dict[str, str]:
    """Where the edge itself listens: on loopback, and its counters where nobody was told."""
    return {
        LISTENER: f"127.0.0.1:{port}",
        METRICS: "127.0.0.1:0",
        ADMIN: f"127.0.0.1:{free_port()}",
    }


async def healthy(url: str) -> None:
    """Wait until the edge finds every service ready."""
    try:
        async with asyncio.timeout(READY), aiohttp.ClientSession() as client:
            while True:
                async with client.get(url) as answer:
                    if answer.ok:
                        return
                await asyncio.sleep(0.05)
    except (TimeoutError, aiohttp.ClientError) as late:
        raise CannotRun("The edge does not find every service ready; see the logs.") from late


@contextmanager
def alone_in(var: Path) -> Iterator[None]:
    """Keep a second Centralita out of the same directory."""
    with (var / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            raise CannotRun(
                f"Another Centralita runs in {var}. Stop it, or choose another directory:"
                " VAR_DIR=other make run"
            ) from taken
        yield


def log_to(path: Path) -> None:
    """Send the log to a file from now on, so that the terminal keeps what its reader needs."""
    file = path.open("a")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(file)


@asynccontextmanager
async def told(settings: Settings) -> AsyncIterator[Running]:
    """Say in a sentence what stops us; the log says it in JSON."""
    try:
        async with service(settings) as running:
            yield running
    except Exception as error:
        log = settings.var_dir / "log" / "centralita.log"
        otherwise = f"stopped by an error. The log says more: {log}"
        sys.stderr.write(f"centralita: {_sentence(error) or otherwise}\n")
        raise


def _sentence(error: Exception) -> str:
    """Return what an error says to people; of several, grouped on their way up, the first."""
    if isinstance(error, ExceptionGroup):
        return next(filter(None, map(_sentence, error.exceptions)), "")
    return str(error) if isinstance(error, CannotRun | Misconfigured) else ""


def main() -> None:
    try:
        settings = from_env(Settings)
        make_rooms(settings.var_dir)
    except (Misconfigured, CannotRun) as no:
        sys.exit(f"centralita: {no}")
    run(told, settings)


if __name__ == "__main__":
    main()
