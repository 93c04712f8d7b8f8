"""`local-stack run` and `local-stack clean`, the commands behind `make run` and `make clean`."""

import argparse
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from local_stack import lock, logs, report, smoke_test
from local_stack.catalog import SERVICES
from local_stack.errors import StackError
from local_stack.options import REPOSITORY, Folders, Observation, StackOptions
from local_stack.ports import HIGHEST_OFFSET, REPLICAS
from local_stack.stack import Stack

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
# The caller's variables that are passed to the services; those for the proxy are listed in proxy_limits.
PASSED_ON = (
    "AUTH_JWKS_CACHE_SECONDS",
    "AUTH_REGISTRATIONS_PER_ADDRESS",
    "AUTH_SIGNING_KID",
    "HASH_SLOTS",
    "HTTP_THREADS",
    "KAFKA_GROUP_PROTOCOL",
    "LOG_LEVEL",
    "ONE_CPU",
    "ORDERS_CURRENCIES",
    "ORDERS_REQUIRE_TOKEN",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    OTLP_ENDPOINT,
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS_FILE",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_SAMPLER_ARG",
    "PROCESSOR_REFUSED_ITEMS",
    "RATE_LIMIT_INVALID_TOKENS",
    "RATE_LIMIT_ORDERS",
    "RATE_LIMIT_READS",
    "RECONCILE_INTERVAL_SECONDS",
    "TRACING_TRUST_CLIENTS",
)


class Interrupted(BaseException):
    """A signal asked this process to stop."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. The exit code is 0 on success."""
    options = _parser().parse_args(arguments)
    try:
        sys.exit(clean(options.root) if options.command == "clean" else run(options))
    except StackError as error:
        sys.exit(f"local-stack: {error}")


def run(options: argparse.Namespace) -> int:
    """Start the stack, show it, and serve until a stop signal arrives or the parent process is gone.

    With `--once`, stop after the smoke test. Return the exit code.
    """
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    for signum in STOP_SIGNALS:
        signal.signal(signum, _interrupt)
    _stop_with_parent()
    served = False
    try:
        with Stack(_options(options), say=lambda sentence: report.event(console, sentence)) as stack:
            try:
                report.ready(console, time.monotonic() - began)
                processed = _smoke_test(stack, console)
                if options.once:
                    return 0 if processed else 1
                report.summary(console, stack.file, options.root)
                served = True
                logs.rotate_forever(Folders(options.root).log)
            finally:
                _ignore_signals()
                report.event(console, "stopping")
    except Interrupted:
        report.event(console, "stopped; data, secrets and logs are kept")
    return 0 if served else 1


def _smoke_test(stack: Stack, console: Console) -> bool:
    try:
        return smoke_test.run(base_url=stack.base_url, ca=Path(stack.ca), console=console)
    except httpx.HTTPError as error:
        raise StackError(f"the smoke test at {stack.base_url} failed: {error}") from error


def clean(root: Path) -> int:
    """Remove the stack's folder with all data and secrets.

    StackError if a stack runs there, or if a file cannot be removed.
    """
    try:
        if root.exists():
            descriptor = lock.acquire(root)
            shutil.rmtree(root)
            os.close(descriptor)
    except OSError as error:
        raise StackError(f"{error.filename} could not be removed: {error.strerror}") from error
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local-stack", description="The whole system on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="start everything, show it, and serve until Ctrl-C")
    run_parser.add_argument("--observe", action="store_true", help="with Prometheus and Zipkin, and Grafana if on PATH")
    run_parser.add_argument("--once", action="store_true", help="stop after the smoke test; exit code 0 if it passed")
    run_parser.add_argument(
        "--port-offset",
        type=_offset,
        default=0,
        metavar="N",
        help=f"add this to every default port, 0 to {HIGHEST_OFFSET} (stacks 1000 apart share no port)",
    )
    for name, service in SERVICES.items():
        run_parser.add_argument(
            f"--{name}",
            type=int,
            default=service.replicas,
            metavar="N",
            choices=range(1, REPLICAS + 1),
            help=f"how many replicas, {REPLICAS} at most",
        )
    for command in (run_parser, commands.add_parser("clean", help="remove data, secrets and logs")):
        command.add_argument(
            "--root",
            type=Path,
            default=REPOSITORY / ".local",
            help="folder of data, secrets and logs (default: .local)",
        )
    return parser


def _offset(text: str) -> int:
    if not (text.isdecimal() and int(text) <= HIGHEST_OFFSET):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {HIGHEST_OFFSET}, not {text!r}")
    return int(text)


def _options(options: argparse.Namespace) -> StackOptions:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return StackOptions(
        root=options.root,
        ports=options.port_offset,
        observe=Observation(traces=OTLP_ENDPOINT not in os.environ) if options.observe else None,
        console=not options.once,
        counts={name: getattr(options, name.replace("-", "_")) for name in SERVICES},
        extra_env=dict.fromkeys(SERVICES, passed_on) | {"proxy": os.environ},
    )


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    _ignore_signals()  # Ctrl-C arrives twice, from the terminal and from make
    raise Interrupted


def _ignore_signals() -> None:
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def _stop_with_parent() -> None:
    """When the process that started this one (make, a shell) is gone, stop as after SIGTERM."""
    parent = os.getppid()
    if parent == 1:
        return

    def watch() -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    descriptor = os.pidfd_open(parent)
    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main()
