"""`retail load`: places orders, records them in a ledger, and checks the outcome of each.

The command is for developers; no image contains it.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from retail_cli.examples import examples
from retail_cli.local_files import LOCAL_STACK, StackAddress, find_local, read_stack
from retail_cli.output import print_json, print_warning
from retail_cli.session import ExitCode, Json

if TYPE_CHECKING:
    from load_generator import Summary

LEDGERS = Path(".local/ledgers")
DEFAULT_SECONDS = 60.0
START_SECONDS = 5.0  # a system that does not respond for this long is reported as unavailable


def register(app: typer.Typer) -> None:
    """Add the command to `retail`."""
    app.command(
        epilog=examples(
            "retail load --count 1000 --rate 100",
            "retail load --duration 60 --users 8 --items 5 --json",
            "retail load --url https://localhost:8443 --ca .local/certificates/ca.pem --count 10",
        )
    )(load)


def load(
    *,
    url: Annotated[str | None, typer.Option(help="The system's address. Default: the local stack's.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority to trust for --url.")] = None,
    rate: Annotated[float, typer.Option(help="Orders per second; 0: as fast as responses arrive.")] = 50.0,
    count: Annotated[int | None, typer.Option(help="Stop after this many orders.")] = None,
    duration: Annotated[
        float | None,
        typer.Option(help=f"Stop after this many seconds ({DEFAULT_SECONDS:g} if --count is not given)."),
    ] = None,
    users: Annotated[int, typer.Option(help="How many users place orders.")] = 4,
    items: Annotated[int, typer.Option(help="Lines in each order.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Decides every order's content, so that a run can be repeated.")] = (
        None
    ),
    ledger: Annotated[Path | None, typer.Option(help=f"File for the ledger. Default: a new one in {LEDGERS}.")] = None,
    allow_remote: Annotated[bool, typer.Option(help="Allow a system that is not on this machine.")] = False,
    as_json: Json = False,
) -> None:
    """Place orders at a rate, record responses in a ledger, and check that each accepted order is PROCESSED once."""
    base_url, ca_file = (url, ca) if url else _local_address()
    chosen: dict[str, Any] = {} if seed is None else {"seed": seed}
    chosen |= {"base_url": base_url, "ca_file": ca_file, "ledger": ledger or _new_ledger()}
    summary = _run(
        rate=rate,
        count=count,
        duration=duration if duration or count else DEFAULT_SECONDS,
        users=users,
        items=items,
        start_seconds=START_SECONDS,
        allow_remote=allow_remote,
        **chosen,
    )
    print_warning(f"the ledger is {chosen['ledger']}")
    if as_json:
        print_json(msgspec.json.encode(summary.as_dict()))
    raise typer.Exit(ExitCode.OK if summary.ok else ExitCode.BROKEN_PROMISE)


def _run(**chosen: Any) -> "Summary":
    from load_generator import Options, run  # noqa: PLC0415 - so that no other command waits for aiohttp
    from load_generator.client import SystemUnavailable  # noqa: PLC0415
    from load_generator.options import InvalidOptions  # noqa: PLC0415

    try:
        return run(Options(**chosen))
    except InvalidOptions as error:
        raise typer.BadParameter(str(error)) from None
    except SystemUnavailable as error:
        print_warning(f"could not register a user at {chosen['base_url']}: {error}")
        raise typer.Exit(ExitCode.UNAVAILABLE) from None
    except OSError as error:
        files = " or ".join(str(chosen[name]) for name in ("ledger", "ca_file") if chosen[name])
        raise typer.BadParameter(f"{files}: {error}") from None


def _local_address() -> tuple[str, Path]:
    stack = read_stack(find_local(LOCAL_STACK), StackAddress, instead="--url")
    return stack.base_url, Path(stack.ca)


def _new_ledger() -> Path:
    """Return the path of a new ledger: in the local stack's folder if there is one, otherwise in LEDGERS."""
    stack = find_local(LOCAL_STACK)
    folder = stack.parent / LEDGERS.name if stack else LEDGERS
    return folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.jsonl"
