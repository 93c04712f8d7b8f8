"""A hostile client in a separate process: `python -m support.attacker`, with its options as JSON on standard input.

It prints a JSON object that counts how connections or requests ended: with a status, "closed" (refused, or closed by
the proxy without a response), "held" (without a response when the attack stopped, or for 10 s during a flood), or "hung
up" (by the attacker).
"""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
PAUSE_SECONDS = 0.25  # pause before a closed connection is opened again
CONNECTING = 100  # parallel handshakes; with more, a slow machine completes none within the proxy's time limit
CONNECT_SECONDS = 60.0  # the limit within which all clients open their first connections
ANSWER_SECONDS = 10.0
STALL_BYTES = 4096  # the receive buffer of a client that stalls
READY = "all connections are open"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Connections to 127.0.0.1:`port` from `addresses` source addresses: `first_address` and those that follow it.

    The attack floods by default: each connection sends the request `then`, and sends it again after each response. With
    `every`, a connection sends `first`, and then `then` each `every` seconds without waiting for a response; a response
    ends the connection. With `hang_up`, a connection sends `first` and disconnects after `hang_up` seconds. With
    `stall`, it sends `first`, and of a 200 it reads only the first bytes until the attack stops. A closed connection is
    opened again until the attack stops. Without `tls` nothing is encrypted.
    """

    port: int
    ca: str
    first_address: str = "127.0.0.2"
    addresses: int = 1
    connections: int = 64
    seconds: float = 10.0
    first: str = ""
    then: str = ""
    every: float = 0.0
    hang_up: float = 0.0
    stall: bool = False
    tls: bool = True


@dataclass
class Outcome:
    """How the connections or requests of an attack ended, once it is over."""

    ends: Counter[str] = field(default_factory=Counter)
    proxy_bytes: int = 0  # the most memory that the proxy used during the attack
    proxy_files: int = 0  # the most files and connections that the proxy had open at the same time

    def statuses(self) -> set[int]:
        """Return every status that was received."""
        return {int(end) for end in self.ends if end.isdecimal()}


@contextmanager
def attacking(attack: Attack) -> Iterator[Outcome]:
    """Start an attack, and yield once each client has tried to connect; at the end, fill in the outcome."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.attacker"],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    outcome = Outcome()
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(asdict(attack)))
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline() == f"{READY}\n", "the attacker opened no connections"
        yield outcome
        output, _ = process.communicate(timeout=attack.seconds + 30)
        outcome.ends.update(json.loads(output))
    finally:
        process.kill()
        process.communicate()


class _Attacker:
    """Runs one attack in this process."""

    def __init__(self, attack: Attack) -> None:
        self._attack = attack
        self._context = ssl.create_default_context(cafile=attack.ca) if attack.tls else None
        self._connecting = asyncio.Semaphore(CONNECTING)
        self._waiting = attack.connections  # the clients that have not yet tried to connect
        self._deadline = time.monotonic() + CONNECT_SECONDS
        self._ends: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        attack = self._attack
        first = IPv4Address(attack.first_address)
        addresses = (str(first + number % attack.addresses) for number in range(attack.connections))
        await asyncio.gather(*(self._client(address) for address in addresses))
        return self._ends

    async def _client(self, address: str) -> None:
        act = self._act()
        first = True
        while self._left() > 0:
            connection = await self._connect(address)
            if first:
                first = False
                self._tried()
            if connection:
                reader, writer = connection
                try:
                    await act(reader, writer)
                except (OSError, EOFError):
                    self._ends["closed"] += 1
                finally:
                    writer.transport.abort()
            await asyncio.sleep(PAUSE_SECONDS)

    def _act(self) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        if self._attack.every:
            return self._dribble
        if self._attack.hang_up:
            return self._hang_up
        return self._stall if self._attack.stall else self._flood

    async def _connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            async with asyncio.timeout(self._left()), self._connecting:
                return await self._open(address)
        except (OSError, TimeoutError):
            self._ends["closed"] += self._left() > 0
            return None

    async def _open(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connection.bind((address, 0))
            if self._attack.stall:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALL_BYTES)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._attack.port))
            return await asyncio.open_connection(
                sock=connection, ssl=self._context, server_hostname="localhost" if self._context else None
            )
        except BaseException:
            connection.close()
            raise

    def _tried(self) -> None:
        """Count a client that has tried to connect; the last one starts the clock of the attack."""
        self._waiting -= 1
        if not self._waiting:
            self._deadline = time.monotonic() + self._attack.seconds
            print(READY, flush=True)

    def _left(self) -> float:
        """Return the seconds until the attack stops, 0 after that."""
        return max(0.0, self._deadline - time.monotonic())

    async def _dribble(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._attack.first.encode("latin-1"))
        while self._left() > 0:
            with suppress(TimeoutError):
                line = await asyncio.wait_for(reader.readline(), min(self._attack.every, max(0.01, self._left())))
                self._ends[line.split()[1].decode() if line.startswith(b"HTTP/") else "closed"] += 1
                return
            writer.write(self._attack.then.encode("latin-1"))
            await writer.drain()
        self._ends["held"] += 1

    async def _hang_up(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._attack.first.encode("latin-1"))
        await asyncio.sleep(min(self._attack.hang_up, self._left()))
        self._ends["hung up"] += 1

    async def _stall(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        transport.set_read_buffer_limits(STALL_BYTES)
        writer.write(self._attack.first.encode("latin-1"))
        try:
            async with asyncio.timeout(min(ANSWER_SECONDS, self._left())):
                status = (await reader.readline()).split()[1].decode()
        except TimeoutError:
            self._ends["held"] += 1
            return
        self._ends[status] += 1
        if status == "200":
            transport.pause_reading()
            while self._left() > 0:  # noqa: ASYNC110 - the time is set when the last client has tried to connect
                await asyncio.sleep(PAUSE_SECONDS)

    async def _flood(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._left() > 0:
            writer.write(self._attack.then.encode("latin-1"))
            try:
                async with asyncio.timeout(min(ANSWER_SECONDS, self._left())):
                    head = await reader.readuntil(b"\r\n\r\n")
                    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                    await reader.readexactly(int(fields.get(b"content-length", 0)))
            except TimeoutError:
                self._ends["held"] += 1
                return
            self._ends[head.split()[1].decode()] += 1
            if fields.get(b"connection") == b"close":
                return


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_Attacker(Attack(**json.load(sys.stdin))).run())))
