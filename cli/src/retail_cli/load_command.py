"""`retail load`: places orders with a ledger and checks what became of each."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from retail_cli.replicas import LOCAL_STACK
from retail_cli.session import Code, Json, warn
from shared.config.settings import SettingsError

LEDGERS = Path(".local/ledgers")
DEFAULT_SECONDS = 60.0


def load(
    *,
    url: Annotated[str | None, typer.Option(help="The system's address; without it, the local stack's.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority to trust for --url.")] = None,
    rate: Annotated[float, typer.Option(help="Orders per second; 0: as fast as the answers come.")] = 50.0,
    count: Annotated[int | None, typer.Option(help="End after so many orders.")] = None,
    duration: Annotated[
        float | None, typer.Option(help=f"End after so many seconds ({DEFAULT_SECONDS:g} if --count is not given).")
    ] = None,
    users: Annotated[int, typer.Option(help="How many users place them.")] = 4,
    items: Annotated[int, typer.Option(help="At most so many lines an order.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Decides every order's content: a run can be repeated.")] = None,
    ledger: Annotated[Path | None, typer.Option(help=f"File for the ledger; without it, one in {LEDGERS}.")] = None,
    allow_remote: Annotated[bool, typer.Option(help="Allow a system that is not on this machine.")] = False,
    as_json: Json = False,
) -> None:
    """Place orders at a rate, note every answer in a ledger, and see each accepted order PROCESSED once."""
    from retail_cli.load import Options, run  # noqa: PLC0415 - so that no other command waits for aiohttp
    from retail_cli.load.options import BadOptions  # noqa: PLC0415
    from retail_cli.load.shop import NoSystem  # noqa: PLC0415

    chosen: dict[str, Any] = {} if seed is None else {"seed": seed}
    base_url, ca_file = (url, ca) if url else _local_front_door()
    try:
        options = Options(
            base_url=base_url,
            ca_file=ca_file,
            ledger=ledger or LEDGERS / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.jsonl",
            rate=rate,
            count=count,
            duration=duration if duration or count else DEFAULT_SECONDS,
            users=users,
            items=items,
            allow_remote=allow_remote,
            **chosen,
        )
    except BadOptions as error:
        raise typer.BadParameter(str(error)) from None
    try:
        summary = run(options)
        warn(f"the ledger is {options.ledger}")
    except NoSystem as error:
        warn(f"the system at {base_url} lets nobody in: {error}")
        raise typer.Exit(Code.AWAY) from None
    if as_json:
        sys.stdout.write(json.dumps(summary.as_dict(), indent=2) + "\n")
    raise typer.Exit(Code.OK if summary.ok else Code.BROKEN_PROMISE)


def _local_front_door() -> tuple[str, Path]:
    try:
        stack = json.loads(LOCAL_STACK.read_bytes())
        return stack["base_url"], Path(stack["ca"])
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"give --url, or start the local stack: {LOCAL_STACK} is not usable ({error!r})") from None
