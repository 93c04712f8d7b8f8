"""Development with Skaffold: `skaffold run` deploys this checkout, `skaffold dev` serves a changed file."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support import kind, kind_release, wait
from support.customer import Customer

FOLDERS = ("charts", "cli", "locks", "services", "shared")
FILES = ("Dockerfile", ".dockerignore", "skaffold.yaml")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of the checkout that a test may change; the release is rolled back afterwards."""
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in FOLDERS:
        shutil.copytree(kind.ROOT / folder, tmp_path / folder, ignore=ignore)
    for file in FILES:
        shutil.copy(kind.ROOT / file, tmp_path / file)
    with kind_release.restored():
        yield tmp_path


def skaffold(*arguments: str) -> list[str]:
    return ["skaffold", *arguments, "--kube-context", kind.CONTEXT, "--interactive=false"]


def test_run_deploys_the_checkout(checkout: Path, https_client: httpx.Client) -> None:
    """Skaffold builds and loads the images and upgrades the release; then an order is processed."""
    started = time.monotonic()
    done = subprocess.run(
        skaffold("run", "--tail=false"), cwd=checkout, capture_output=True, text=True, check=False, timeout=600
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    customer = Customer(https_client)
    assert customer.processed(customer.place())
    print(f"skaffold run: {time.monotonic() - started:.0f} s")


@pytest.mark.timeout(900)
def test_dev_serves_a_changed_file(checkout: Path, https_client: httpx.Client) -> None:
    """A change to a Python file is served by the running API without a new image."""
    file = checkout / "services/order-api/src/order_api/openapi.py"
    before = https_client.get("/openapi.json").json()["info"]["title"]
    assert before in file.read_text()
    text = checkout / "dev.log"
    command = skaffold("dev", "--cleanup=false", "--tail=false")
    with text.open("w") as log:
        process = subprocess.Popen(command, cwd=checkout, stdout=log, stderr=log, start_new_session=True)
    try:
        wait.until(lambda: "Watching for changes" in text.read_text(), "skaffold dev to watch", seconds=600, every=1)
        file.write_text(file.read_text().replace(before, "Changed while it runs"))
        started = time.monotonic()
        wait.until(lambda: title(https_client) == "Changed while it runs", "the change to be served", seconds=60)
        print(f"skaffold dev: a change is live after {time.monotonic() - started:.1f} s")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)


def title(https_client: httpx.Client) -> str:
    """Return the title of the served OpenAPI document, or an empty string while the worker reloads."""
    answer = https_client.get("/openapi.json")
    return str(answer.json()["info"]["title"]) if answer.status_code == 200 else ""
