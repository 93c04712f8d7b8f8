"""Initiate the replica set, then create or update each role of roles.json and the user with that role. Safe to repeat.

An existing user gets its role again, and the password in its Secret: run this to change a password, or to make mongod
reload its certificate.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

HOST = os.environ["MONGODB_HOST"]
SECRETS = Path("/secrets")
ROLES = Path(__file__).parent / "roles.json"
NOT_INITIATED, ALREADY_EXISTS = 94, {51002, 51003}
WAIT_SECONDS = 60


def initiate(admin: Database[dict[str, Any]]) -> None:
    """Initiate the replica set if it is new, with HOST as its only member; wait until that member is primary."""
    try:
        admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != NOT_INITIATED:
            raise
        admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": HOST}]})
    deadline = time.monotonic() + WAIT_SECONDS
    while not admin.command("hello")["isWritablePrimary"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{HOST} did not become primary in {WAIT_SECONDS} s")
        time.sleep(0.5)


def create_or_update(database: Database[dict[str, Any]], kind: str, name: str, **fields: Any) -> None:
    """Create the role or user `name`, or update it to `fields`."""
    try:
        database.command(f"create{kind}", name, **fields)
    except OperationFailure as error:
        if error.code not in ALREADY_EXISTS:
            raise
        database.command(f"update{kind}", name, **fields)


def main() -> None:
    """Connect as root over TLS, initiate, then create or update every role and user."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        HOST,
        username=(SECRETS / "root/username").read_text(),
        password=(SECRETS / "root/password").read_text(),
        authSource="admin",
        directConnection=True,
        tls=True,
        tlsCAFile=str(SECRETS / "ca.crt"),
        timeoutMS=30_000,
    )
    initiate(client.admin)
    client.admin.command("rotateCertificates")  # mongod reads its certificate again: it may have been renewed
    database = client["retail"]
    for name, privileges in json.loads(ROLES.read_text()).items():
        create_or_update(database, "Role", name, privileges=privileges, roles=[])
        create_or_update(database, "User", name, pwd=(SECRETS / "users" / name).read_text(), roles=[name])
        print(f"user {name} is ready")


if __name__ == "__main__":
    main()
