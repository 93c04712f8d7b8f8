"""Tests of API clients that are generated from the OpenAPI documents of the running system.

The tests run only by `make test-clients`, which sets CLIENT_TESTS and installs the generators into .venv/clients.
"""

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from local_stack.stack import Stack
from support.customer import https

collect_ignore_glob = [] if os.environ.get("CLIENT_TESTS") else ["test_*.py"]
DOCUMENTS = {"orders": "/openapi.json", "users": "/api/openapi.json"}


@pytest.fixture(scope="session")
def documents(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The OpenAPI documents as the stack serves them, each in a file, by name."""
    folder = tmp_path_factory.mktemp("documents")
    with https(stack.base_url, stack.ca) as client:
        return {name: _saved(folder / f"{name}.json", client.get(path)) for name, path in DOCUMENTS.items()}


@pytest.fixture
def environment(stack: Stack) -> dict[str, str]:
    """The environment variables of a program that uses a generated client."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"BASE_URL": stack.base_url, "CA_FILE": str(stack.ca), "NODE_EXTRA_CA_CERTS": str(stack.ca)}


def run(*command: str | Path, timeout: float = 120, **options: object) -> str:
    """Run a program and return its output; fail the test with the output if it exits with an error."""
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        [*map(str, command)], check=False, timeout=timeout, **output, **options
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def _saved(file: Path, answer: httpx.Response) -> Path:
    file.write_bytes(answer.raise_for_status().content)
    return file
