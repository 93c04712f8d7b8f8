"""A TCP proxy that injects faults: latency, black hole, fragmentation, bandwidth limit, reset, refusal."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

CHUNK = 64 * 1024
QUEUED_CHUNKS = 256
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # with SO_LINGER 0, close sends RST
T = TypeVar("T")


@dataclass
class Toxics:
    """The faults (toxics) that the proxy injects into every connection.

    Attributes can be set from any thread at any time.
    """

    latency: float = 0.0  # seconds, each way
    jitter: float = 0.0  # seconds, the largest deviation from `latency`
    hole: bool = False  # a black hole: nothing is forwarded, and no error is reported
    slice_bytes: int = 0  # the size of the pieces that are sent; 0: data is cut only if the bandwidth is limited
    bytes_per_second: float = 0.0  # of each connection, in each direction; 0: no limit


class Proxy:
    """Listens on 127.0.0.1:`port` (0: a free one) and forwards to 127.0.0.1:`upstream`, from its own thread."""

    def __init__(self, upstream: int, *, port: int = 0, seed: int = 0) -> None:
        self.toxics = Toxics()
        self._upstream = upstream
        self._random = random.Random(seed)
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.port = port
        self.port = self._call(self._listen())

    def heal(self) -> None:
        """Remove all toxics, and accept connections again."""
        self.toxics = Toxics()
        self._call(self._listen())

    def reset(self) -> int:
        """Reset every connection and return their number; new connections are accepted."""
        return self._call(self._reset())

    def refuse(self) -> None:
        """Reset every connection, and refuse new ones until `heal`."""
        self._call(self._stop_listening())
        self.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and the listener, and stop the thread."""
        self.refuse()
        self._call(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> int:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=CHUNK)
        return int(self._server.sockets[0].getsockname()[1])

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset(self) -> int:
        count = len(self._connections)
        for writer in list(self._connections):
            _abort(writer)
        return count // 2

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        ends = [writer]
        try:
            await self._through_the_hole()
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream, limit=CHUNK)
            ends.append(up_writer)
            self._connections.update(ends)
            async with asyncio.TaskGroup() as pipes:  # the group stops both directions if one fails
                pipes.create_task(self._pipe(reader, up_writer))
                pipes.create_task(self._pipe(up_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # an error or a cancellation ends only this connection
        finally:
            self._tasks.discard(task)
            self._connections.difference_update(ends)
            for end in ends:
                _abort(end)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward bytes one way until the end; latency does not limit the throughput."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_CHUNKS)

        async def arrive() -> None:
            last = 0.0
            while True:
                chunk = await reader.read(CHUNK)
                toxics = self.toxics
                delay = max(0.0, toxics.latency + self._random.uniform(-toxics.jitter, toxics.jitter))
                last = max(last, self._loop.time() + delay)  # a later piece never overtakes an earlier one
                await line.put((last, chunk))
                if not chunk:
                    return

        arriving = asyncio.create_task(arrive())
        try:
            while True:
                due, chunk = await line.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not chunk:
                    break
                await self._deliver(chunk, writer)
            if writer.can_write_eof():
                writer.write_eof()
        finally:
            arriving.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await arriving

    async def _deliver(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        rate = self.toxics.bytes_per_second
        size = self.toxics.slice_bytes or (max(1, int(rate / 20)) if rate else len(chunk))
        for start in range(0, len(chunk), size):
            await self._through_the_hole()
            piece = chunk[start : start + size]
            if rate:
                await asyncio.sleep(len(piece) / rate)
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # so that each piece is sent in a segment of its own

    async def _through_the_hole(self) -> None:
        while self.toxics.hole:  # noqa: ASYNC110 - other threads set it
            await asyncio.sleep(0.05)


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
