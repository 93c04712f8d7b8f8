"""`make bench-overhead`: what metrics, logs and traces cost, in CPU time of order-api and order-processor per order.

Systems that differ in one respect run beside each other and get load in turns, so that all meet the same machine.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from statistics import mean, median, quantiles

import pymongo

from bench import measure
from bench.system import EXTRA, System, machine
from bench.workplace import workplace
from local_stack.stack import Stack, StackOptions

CONNECTIONS, SECONDS = 16, 3
SETTLE_SECONDS = 120.0
SHIPPED = "as shipped: metrics, logs, tracing off"
AGAIN = "as shipped, a second system (noise)"
WITHOUT = str(Path(__file__).with_name("without"))


@dataclass(frozen=True)
class Variant:
    """A running system, and the CPU time of an order in each round, in microseconds."""

    system: System
    waiting: pymongo.collection.Collection[dict[str, object]]
    figures: list[float]


def variants(collector: str) -> dict[str, dict[str, str]]:
    """Return the environment variables of both services by the name of the variant."""
    return {
        SHIPPED: {},
        AGAIN: {},
        "without metrics and log lines": {"LOG_LEVEL": "error", "PYTHONPATH": WITHOUT, "BENCH_WITHOUT": "metrics"},
        "without the code of tracing": {"PYTHONPATH": WITHOUT, "BENCH_WITHOUT": "tracing"},
        "a tenth of the orders recorded": {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_TRACES_SAMPLER_ARG": "0.1",
        },
    }


def main() -> None:
    """Run all variants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    with workplace("overhead") as root, ExitStack() as ends:
        collector = ends.enter_context(_collector())
        running = {
            name: ends.enter_context(_running(root / str(number), environ))
            for number, (name, environ) in enumerate(variants(collector).items())
        }
        for number in range(options.rounds + 1):  # the first one warms up
            _round(running, number)
    print(f"{machine()}; {options.rounds} rounds of {SECONDS} s, interleaved\n")
    print(table({name: variant.figures for name, variant in running.items()}))


def table(figures: Mapping[str, list[float]]) -> str:
    """Return the figures as Markdown: medians, and the ratio to the mean of both systems as shipped in the same round.

    Its spread is the middle half.
    """
    lines = ["| order-api and order-processor | µs per order | of as shipped, middle half |", "|---|---|---|"]
    shipped = [mean(both) for both in zip(figures[SHIPPED], figures[AGAIN], strict=True)]
    for name, values in figures.items():
        ratios = [value / base for value, base in zip(values, shipped, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        lines.append(f"| {name} | {median(values):.0f} | {middle:.3f} ({low:.3f}-{high:.3f}) |")
    return "\n".join(lines)


def _round(running: Mapping[str, Variant], number: int) -> None:
    # A system that always followed the same other one would always meet what that one leaves to be done.
    for name in Random(number).sample([*running], len(running)):  # noqa: S311 - an order, not a secret
        used = _cpu_us(running[name])
        if number:
            running[name].figures.append(used)
        print(f"round {number}  {name:40s}{used:6.0f} µs per order", file=sys.stderr, flush=True)


def _cpu_us(variant: Variant) -> float:
    """Place orders, wait until all are processed, and return the CPU time of both services per order."""
    watched = variant.system.watched(None)
    pids = [*watched["app"], *watched["processor"]]
    before = measure.cpu_seconds(pids)
    sample = measure.load(variant.system.place(None), connections=CONNECTIONS, seconds=SECONDS, watched={})
    until = time.monotonic() + SETTLE_SECONDS
    while variant.waiting.count_documents({"status": "PLACED"}, limit=1):
        if time.monotonic() > until:
            raise TimeoutError("the orders are not processed")
        time.sleep(0.1)
    return (measure.cpu_seconds(pids) - before) / sample.requests * 1e6


@contextmanager
def _running(root: Path, environ: dict[str, str]) -> Iterator[Variant]:
    extra = EXTRA | {"order-api": EXTRA["order-api"] | environ, "order-processor": {"LOG_LEVEL": "info", **environ}}
    options = StackOptions(root=root, ports="free", counts={"order-api": 1}, extra_env=extra)
    with Stack(options) as stack:
        client = stack.client("admin")
        mongodb: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            client["MONGODB_URI"], tlsCAFile=client["MONGODB_CA_FILE"]
        )
        with mongodb:
            yield Variant(System(stack, {}, mongodb), mongodb[client["MONGODB_DATABASE"]].orders, [])


@contextmanager
def _collector() -> Iterator[str]:
    """Accept spans and drop them; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
