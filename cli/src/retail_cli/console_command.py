"""`retail console`: the operator's page, on loopback."""

import secrets
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from retail_cli import replicas
from retail_cli.examples import examples
from retail_cli.local_files import LOCAL_STACK, find_local
from retail_cli.session import Refused, Session, actor
from shared.config.settings import SettingsError

MIN_TOKEN = 32
EXAMPLES = examples("retail console", "retail console --port 9000 --admin http://10.244.1.7:9090")


def console(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 chooses a free one.")] = 8450,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the secret part of the address. Default: a new one each time."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Your name for the history of redriven orders. Default: the system's user."),
    ] = None,
    admin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A replica's admin address; may be given several times."),
    ] = None,
    stack: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"The local stack's description. Default: {LOCAL_STACK}, here or above."),
    ] = None,
) -> None:
    """Serve the operator's page on 127.0.0.1 until Ctrl-C, and print its address, which is a secret.

    It shows orders, dead letters, the outbox, the lag and the circuit breakers, and refreshes itself. It redrives and
    reconciles after a dry run.
    """
    from retail_cli.console import app, server  # noqa: PLC0415 - Flask would slow down every other command

    session: Session = context.obj
    _ = session.settings  # read now: an error in the settings must come before the address is printed
    token = _read_token(token_file) if token_file else secrets.token_urlsafe(MIN_TOKEN)
    application = app.create_app(session, lambda: _replicas(admin, stack), token=token, by=actor(by))
    try:
        listening = server.listen(application, port)
    except (OSError, SystemExit):  # werkzeug raises SystemExit if it cannot bind the port
        raise Refused(f"port {port} of 127.0.0.1 cannot be used: choose another with --port") from None
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    with server.running(listening):
        secret_part = f"(the content of {token_file})" if token_file else token
        typer.echo(f"http://{server.HOST}:{listening.server_port}/{secret_part}/")
        typer.echo("Whoever has this address is the operator. Ctrl-C stops the console.")
        stop.wait()


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    if len(token) < MIN_TOKEN or not token.replace("-", "").replace("_", "").isalnum():
        raise SettingsError(f"{path}: the token must be at least {MIN_TOKEN} letters, digits, - and _")
    return token


def _replicas(admin: list[str] | None, stack: Path | None) -> list[tuple[str, str]]:
    if admin:
        return [(url, url) for url in admin]
    path = stack or find_local(LOCAL_STACK)
    return replicas.from_stack(path) if path else []
