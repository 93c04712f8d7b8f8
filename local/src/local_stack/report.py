"""What `local-stack run` prints, except for the output of the smoke test."""

import os
import shlex
import time
from pathlib import Path
from typing import Any

from rich.console import Console

PASSWORD = "correct-horse-battery"  # noqa: S105 - of an example


def event(console: Console, sentence: str) -> None:
    """Print the time, and a sentence about what just happened."""
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] ", end="")
    console.print(sentence, markup=False)


def ready(console: Console, seconds: float) -> None:
    """Print that all is ready, and how long it took."""
    console.print()
    console.rule(f"[bold green]ready[/bold green] after {seconds:.1f} s", style="green")


def summary(console: Console, stack: dict[str, Any], root: Path) -> None:
    """Print the addresses and files of the stack, and commands to try."""
    base = stack["base_url"]
    rows = [
        ("Shop", f"{base}/"),
        ("Console", f"{stack['console']['url']} (a secret: whoever has it is the operator)"),
        ("API", base),
        ("Documentation", f"{base}/docs for orders, {base}/api/docs for users and tokens"),
    ]
    rows += [(f"Metrics of {s['name']}-{s['replica']}", f"{s['admin_url']}/metrics") for s in stack["services"]]
    rows += [
        ("Logs", f"{_short(root / 'log')}/"),
        ("Client settings", f"{_short(root / 'clients')}/*.env for MongoDB and Kafka; admin.env has every right"),
        ("For programs", f"{_short(root / 'stack.json')} has all of this, and is kept up to date"),
    ]
    width = max(len(title) for title, _ in rows)
    console.print()
    console.rule("[bold]addresses and files[/bold]", style="cyan")
    for title, place in rows:
        console.print(f"  [bold]{title:{width}}[/bold]  {place}")
    console.print()
    console.rule("[bold]try it[/bold]", style="cyan")
    for line in _curl_lines(base, _short(Path(stack["ca"]))):
        console.print(line, markup=False, style="green" if not line.startswith("#") else "dim")
    trust, distrust = trust_commands(_short(Path(stack["ca"])))
    console.print(
        "# the browser warns until it trusts this stack's CA; in Chromium (others: docs/browsers.md)", style="dim"
    )
    console.print(f"{trust}   # undo: {distrust}", markup=False, style="green")
    console.print()
    console.print("[bold]Ctrl-C[/bold] stops everything and keeps the data; [bold]make clean[/bold] removes it.")


def trust_commands(ca: str) -> tuple[str, str]:
    """Return the command that makes Chromium on Linux trust the CA in the file `ca`, and the one that undoes it."""
    database = "certutil -d sql:$HOME/.pki/nssdb"
    return f"{database} -A -t C,, -n retail-orders -i {shlex.quote(ca)}", f"{database} -D -n retail-orders"


def _curl_lines(base: str, ca: str) -> list[str]:
    curl, json = f"curl -s --cacert {shlex.quote(ca)}", "-H 'Content-Type: application/json'"
    extract = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
    return [
        "# register, get a token, place an order, look at it",
        f"""{curl} {json} -d '{{"username": "ada", "password": "{PASSWORD}"}}' {base}/api/users""",
        f"TOKEN=$({curl} -u ada:{PASSWORD} {base}/api/token | {extract})",
        f"""{curl} -H "Authorization: Bearer $TOKEN" {json} \\""",
        f"""  -d '{{"userid": "ada", "cost": "12.50", "orderitems": ["tea", "biscuits"]}}' {base}/order""",
        f"""{curl} -H "Authorization: Bearer $TOKEN" '{base}/orderdetails?userid=ada'""",
        "",
    ]


def _short(path: Path) -> str:
    """Return the path relative to the current folder if it is in that folder, otherwise the whole path."""
    path = path.resolve()
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else os.fspath(path)
