"""A hostile client as a process of its own: `python -m support.attacker`, its options as JSON on standard input.

It prints how often connections or requests ended in each way: with a status, "closed" (by the other side, without an
answer), or "held" (still open when the time was over).
"""

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAUSE_SECONDS = 0.25  # of a connection that was closed, before it comes again


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Connections to 127.0.0.1:`port` from `addresses` addresses, 127.0.0.2 and so on.

    Each sends `first`, then `then` again and again.

    With `every` seconds it dribbles: one piece of `then` at a time, whatever is answered ends the connection. With
    `every` 0 it floods: `then` is a whole request, sent again after each answer. Without `tls` nothing is encrypted.
    """

    port: int
    ca: str
    addresses: int = 1
    connections: int = 64
    seconds: float = 10.0
    first: str = ""
    then: str = ""
    every: float = 0.0
    tls: bool = True


@dataclass
class Outcome:
    """How the connections or requests of an attack ended, once it is over."""

    ends: Counter[str] = field(default_factory=Counter)
    proxy_bytes: int = 0  # of memory that the proxy used towards the end

    def statuses(self) -> set[int]:
        """Return every status that was answered."""
        return {int(end) for end in self.ends if end.isdecimal()}


@contextmanager
def attacking(attack: Attack) -> Iterator[Outcome]:
    """Attack while the block runs, and for `attack.seconds` in all; then fill in the outcome."""
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
        process.stdin.write(json.dumps(asdict(attack)))
        process.stdin.close()
        process.stdin = None
        yield outcome
        output, _ = process.communicate(timeout=attack.seconds + 30)
        outcome.ends.update(json.loads(output))
    finally:
        process.kill()
        process.communicate()


async def _attack(attack: Attack) -> Counter[str]:
    context = ssl.create_default_context(cafile=attack.ca) if attack.tls else None
    deadline = time.monotonic() + attack.seconds
    ends: Counter[str] = Counter()
    addresses = [f"127.0.0.{2 + number % attack.addresses}" for number in range(attack.connections)]
    await asyncio.gather(*(_connection(attack, address, context, deadline, ends) for address in addresses))
    return ends


async def _connection(
    attack: Attack,
    address: str,
    context: ssl.SSLContext | None,
    deadline: float,
    ends: Counter[str],
) -> None:
    act = _dribble if attack.every else _flood
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout_at(_loop_time(deadline)):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1",
                    attack.port,
                    local_addr=(address, 0),
                    ssl=context,
                    server_hostname="localhost" if context else None,
                )
        except (OSError, TimeoutError):
            ends["closed"] += time.monotonic() < deadline
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        try:
            await act(attack, reader, writer, deadline, ends)
        except (OSError, EOFError):
            ends["closed"] += 1
        finally:
            writer.transport.abort()
        await asyncio.sleep(PAUSE_SECONDS)


async def _dribble(
    attack: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deadline: float, ends: Counter[str]
) -> None:
    writer.write(attack.first.encode("latin-1"))
    while time.monotonic() < deadline:
        with suppress(TimeoutError):
            line = await asyncio.wait_for(reader.readline(), min(attack.every, max(0.01, deadline - time.monotonic())))
            ends[line.split()[1].decode() if line.startswith(b"HTTP/") else "closed"] += 1
            return
        writer.write(attack.then.encode("latin-1"))
        await writer.drain()
    ends["held"] += 1


async def _flood(
    attack: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deadline: float, ends: Counter[str]
) -> None:
    while time.monotonic() < deadline:
        writer.write(attack.then.encode("latin-1"))
        try:
            async with asyncio.timeout_at(_loop_time(deadline)):
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                await reader.readexactly(int(fields.get(b"content-length", 0)))
        except TimeoutError:
            ends["held"] += 1
            return
        ends[head.split()[1].decode()] += 1
        if fields.get(b"connection") == b"close":
            return


def _loop_time(deadline: float) -> float:
    return asyncio.get_running_loop().time() + deadline - time.monotonic()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_attack(Attack(**json.load(sys.stdin))))))
