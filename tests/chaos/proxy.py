"""Wires between services and the broker that can be cut, go silent, or become slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 64 * 1024


class Wire:
    """Forwards TCP from a port of its own to a port on this machine."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self._to = to
        self._cut = False
        self._delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._busy: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Close what is open and refuse what comes."""
        self._cut = True
        for one in self._busy:
            one.cancel()

    def silence(self) -> None:
        """Keep connections and let nothing through: what is said arrives after `heal`."""
        self._open.clear()

    def slow(self, seconds: float) -> None:
        """Let everything arrive so much later, in order."""
        self._delay_s = seconds

    def heal(self) -> None:
        self._cut, self._delay_s = False, 0.0
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        with suppress(OSError, asyncio.CancelledError):
            if not self._cut:
                await self._join(reader, writer)
        self._busy.discard(task)
        writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        pumps = [
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(there, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await asyncio.sleep(self._delay_s)
                await self._open.wait()
                writer.write(chunk)
                await writer.drain()


@asynccontextmanager
async def wire(to: int) -> AsyncIterator[Wire]:
    """Lay a wire to a port of this machine; it hangs on 127.0.0.1 at `port`."""
    it = Wire(to)
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        it.cut()
