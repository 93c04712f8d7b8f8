"""The documented backup of MongoDB restores every order, even if Kafka loses its topics at the same time."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from support import kind, kind_release, kind_servers
from support.customer import Customer

ORDERS = 40
LOSE = "# restore"


def documented() -> tuple[str, str]:
    """Return the documented backup commands and restore commands, from docs/kubernetes.md."""
    text = (kind.ROOT / "docs/kubernetes.md").read_text()
    section = text[text.index("## Backup and restore of MongoDB") :]
    block = section[section.index("```sh\n") + len("```sh\n") :]
    backup, mark, restore = block[: block.index("```")].partition(LOSE)
    assert mark
    return backup, f"{backup[: backup.index('kubectl')]}{mark}{restore}"


def run(commands: str, folder: Path) -> None:
    """Run shell commands as an operator does, with a kubeconfig for the cluster."""
    config = folder / "kubeconfig"
    config.write_text(kind.kubectl("config", "view", "--minify", "--flatten"))
    config.chmod(0o600)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=os.environ | {"KUBECONFIG": str(config)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def has_the_tools() -> bool:
    command = (
        "exec",
        "mongodb-0",
        "--container",
        "mongodb",
        "--",
        "sh",
        "-c",
        "command -v mongodump && command -v mongorestore",
    )
    return kind.kubectl(*command, check=False).count("\n") == 2


def test_restored_orders_are_processed_once_after_topics_were_lost(tmp_path: Path, https_client: httpx.Client) -> None:
    """The backup has PROCESSED and PLACED orders; after MongoDB and the topics are lost, each is processed once."""
    if not has_the_tools():
        pytest.skip("NOT RUN: the image of MongoDB has no mongodump and mongorestore; the official image has them")
    backup, restore = documented()
    customer = Customer(https_client)
    with kind_release.restored():
        processed = [customer.place() for _ in range(ORDERS)]
        for reference in processed:
            customer.processed(reference)
        kind.kubectl("scale", "deployment/retail-order-processor", "--replicas=0")
        placed = [customer.place() for _ in range(ORDERS)]
        run(backup, tmp_path)
        for component in kind.COMPONENTS:
            kind.kubectl("scale", f"deployment/retail-{component}", "--replicas=0")
        kind_servers.lose_mongodb()
        kind_servers.lose_topics()
        run(restore, tmp_path)
        for component in kind.COMPONENTS:
            kind.rollout(component)
        histories = [customer.processed(reference, seconds=180)["history"] for reference in (*processed, *placed)]

    assert [[entry["status"] for entry in history] for history in histories] == [["PLACED", "PROCESSED"]] * 2 * ORDERS
