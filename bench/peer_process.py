"""The processes of the peers."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.contenders import ORDER, Peer

START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.2


@contextmanager
def running(peer: Peer, client: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the peer, with its log in `folder`, and stop it at the end; `client` as in `Peer.environment`."""
    log = folder / f"{peer.port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(peer.command, env=peer.environment(client), stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def await_first_order(peer: Peer, process: subprocess.Popen[bytes]) -> None:
    """Wait until an order could be placed; raise RuntimeError if that takes more than START_SECONDS."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.post(f"{peer.url}/order", json=ORDER, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise RuntimeError(f"{peer.name} does not answer on port {peer.port}")
