"""MongoDB: its processes, and the replica set, roles and users in it."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from fiftyone import db as mongodb_wheel
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from local_stack import secret_files
from local_stack.certificates import Authority
from local_stack.errors import StackError
from local_stack.options import REPOSITORY, Folders, environment
from local_stack.ports import HOST, listening
from local_stack.process import Part

Client = MongoClient[dict[str, Any]]

DATABASE = "retail"
REPLICA_SET = "retail"
ELECTION = {"electionTimeoutMillis": 4000}
BINARY = Path(mongodb_wheel.__path__[0]) / "bin" / "mongod"
ROLES = REPOSITORY / "k8s" / "mongodb" / "roles.json"
# MongoDB's error codes
NOT_FOUND = (11, 31)
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23


class MongoDB:
    """A replica set of `members` processes, on consecutive ports from `port` on."""

    def __init__(self, folders: Folders, authority: Authority, *, port: int, members: int) -> None:
        self._folders = folders
        self._authority = authority
        self._ports = range(port, port + members)
        self._key_file = folders.secrets / "mongodb-keyfile"
        self._prepared = False
        self.passwords = {
            name: secret_files.secret(folders.secrets / f"mongodb-{name}") for name in (*_roles(), "admin")
        }

    @property
    def hosts(self) -> list[str]:
        """The members' addresses."""
        return [f"{HOST}:{port}" for port in self._ports]

    @property
    def uri(self) -> str:
        """The address without user and password."""
        return f"mongodb://{','.join(self.hosts)}/{DATABASE}?replicaSet={REPLICA_SET}&tls=true"

    def uri_for(self, user: str) -> str:
        """The address with the user's name and password."""
        source = "admin" if user == "admin" else DATABASE
        return self.uri.replace("://", f"://{user}:{self.passwords[user]}@") + f"&authSource={source}"

    def parts(self) -> list[Part]:
        """Return the members as parts, named mongodb-0 and so on."""
        secret_files.secret(self._key_file, length=256)
        return [self._part(f"mongodb-{n}", port) for n, port in enumerate(self._ports)]

    def _part(self, name: str, port: int) -> Part:
        config = {
            "net": {
                "bindIp": HOST,
                "port": port,
                # without zlib, which leaks memory before the login (CVE-2025-14847)
                "compression": {"compressors": "snappy,zstd"},
                "unixDomainSocket": {"enabled": False},
                "tls": {
                    "mode": "requireTLS",
                    "certificateKeyFile": str(self._authority.issue(name)),
                    "CAFile": str(self._authority.certificate),
                    "allowConnectionsWithoutCertificates": True,
                },
            },
            "replication": {"replSetName": REPLICA_SET, "oplogSizeMB": 128},
            "security": {"keyFile": str(self._key_file), "javascriptEnabled": False},
            "storage": {"dbPath": str(self._folders.data(name)), "wiredTiger": {"engineConfig": {"cacheSizeGB": 0.25}}},
            "setParameter": {
                "diagnosticDataCollectionEnabled": False,
                # a primary that stops waits for a successor: 1 s at most, because usually all members stop
                "shutdownTimeoutMillisForSignaledShutdown": 1000,
            },
        }
        file = secret_files.write(self._folders.config(name) / "mongod.yaml", yaml.safe_dump(config))
        return Part(
            name=name,
            command=[str(BINARY), "--config", str(file)],
            environment=environment(),
            log=self._folders.log / f"{name}.log",
            ready=lambda: listening(port) and (not self._prepared or self._is_member(port)),
        )

    def prepare(self, seconds: float = 120) -> None:
        """Create the replica set, or correct its members' addresses; then create or update the roles and users.

        Every member must already accept connections.
        """
        deadline = time.monotonic() + seconds
        _retry(self._set_up_replica_set, deadline)
        _retry(self._update_users, deadline)
        self._prepared = True

    def _is_member(self, port: int) -> bool:
        with suppress(PyMongoError), self._connect([f"{HOST}:{port}"], directConnection=True) as client:
            hello = client.admin.command("hello")
            return bool(hello["isWritablePrimary"] or (hello["secondary"] and len(self._ports) > 1))
        return False

    def _set_up_replica_set(self) -> None:
        members = [{"_id": n, "host": host} for n, host in enumerate(self.hosts)]
        with self._connect(
            self.hosts[:1], directConnection=True
        ) as anyone:  # until the first user exists, a client on localhost may run this command without a login
            try:
                anyone.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members, "settings": ELECTION})
            except OperationFailure as error:
                if error.code not in (UNAUTHORIZED, ALREADY_INITIALIZED):
                    raise
        with self._connect(
            self.hosts[:1], directConnection=True, username="admin", password=self.passwords["admin"]
        ) as client:
            try:
                config = client.admin.command("replSetGetConfig")["config"]
            except OperationFailure as error:
                if error.code == AUTHENTICATION_FAILED:
                    return  # the very first start: `_update_users` creates admin
                raise
            if [member["host"] for member in config["members"]] != self.hosts:  # the ports changed
                for member, host in zip(config["members"], self.hosts, strict=True):
                    member["host"] = host
                config["version"] += 1
                client.admin.command("replSetReconfig", config, force=True)

    def _update_users(self) -> None:
        admin: dict[str, Any] = {"pwd": self.passwords["admin"], "roles": [{"db": "admin", "role": "root"}]}
        with self._connect(self.hosts, replicaSet=REPLICA_SET) as anyone:
            try:
                anyone.admin.command("createUser", "admin", **admin)
            except OperationFailure as error:
                if error.code != UNAUTHORIZED:
                    raise
        with self._connect(
            self.hosts, replicaSet=REPLICA_SET, username="admin", password=self.passwords["admin"]
        ) as client:
            for name, privileges in _roles().items():
                _create_or_update(client[DATABASE], "Role", name, privileges=privileges, roles=[])
                _create_or_update(client[DATABASE], "User", name, pwd=self.passwords[name], roles=[name])

    def _connect(self, hosts: list[str], **options: Any) -> Client:
        ca_file = str(self._authority.certificate)
        return MongoClient(hosts, tls=True, tlsCAFile=ca_file, serverSelectionTimeoutMS=5000, **options)


def _roles() -> Mapping[str, list[dict[str, Any]]]:
    """Return each role's privileges by the role's name. Each role has one user, whose name is the same."""
    roles: Mapping[str, list[dict[str, Any]]] = json.loads(ROLES.read_text(encoding="utf-8"))
    return roles


def _create_or_update(database: Database[dict[str, Any]], kind: str, name: str, **what: Any) -> None:
    try:
        database.command(f"update{kind}", name, **what)
    except OperationFailure as error:
        if error.code not in NOT_FOUND:
            raise
        database.command(f"create{kind}", name, **what)


def _retry(step: Callable[[], None], deadline: float) -> None:
    while True:
        try:
            return step()
        except PyMongoError as error:
            if time.monotonic() > deadline:
                raise StackError(
                    f"MongoDB could not be set up: {error}. If its first start was interrupted: make clean"
                ) from error
            time.sleep(0.2)
