"""`retail keys`: lists the keys that sign tokens, and revokes one that leaked."""

from typing import Annotated

import typer

from retail_cli.document_check import readable
from retail_cli.examples import examples
from retail_cli.key_reports import KeyList, Revocation, SigningKey, key_list, revocation
from retail_cli.output import print_report, print_warning
from retail_cli.session import Json, Refused, Session

app = typer.Typer(
    help="Keys that sign tokens: list, revoke.",
    epilog=examples("retail keys list", "retail keys revoke 2026-11-24"),
    no_args_is_help=True,
)


@app.command("list", epilog=examples("retail keys list", "retail keys list --json"))
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the recorded keys, with the time since their publication and whether they are revoked."""
    session: Session = context.obj
    records = session.key_records.publish(())  # `publish` without key ids records nothing and returns all records
    keys = [
        SigningKey(readable(kid), int(key.published_seconds), key.is_revoked) for kid, key in sorted(records.items())
    ]
    print_report(KeyList(keys), key_list, as_json=as_json)


@app.command(epilog=examples("retail keys revoke 2026-11-24", "retail keys revoke 2026-11-24 --unpublished --json"))
def revoke(
    context: typer.Context,
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key's id: the name of its PEM file without .pem.")],
    *,
    unpublished: Annotated[
        bool, typer.Option("--unpublished", help="Also revoke a key that auth-api has never published.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Revoke a key that leaked. This cannot be undone. order-api rejects its tokens within 30 s; another key signs.

    If there is no other key, auth-api issues no tokens until a new one is added.
    """
    session: Session = context.obj
    records = session.key_records.publish(())
    if kid not in records and not unpublished:
        raise Refused(f"auth-api has not published a key {kid}: see `retail keys list`, or add --unpublished")
    is_new = session.key_records.revoke(kid)
    print_report(Revocation(kid, "revoked" if is_new else "nothing to do"), revocation, as_json=as_json)
    if all(key.is_revoked for other, key in records.items() if other != kid):
        print_warning("no other key is published: auth-api issues no tokens until a new key is added")
