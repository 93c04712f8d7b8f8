"""Schemathesis sends what the documents call valid, and every response is one that they declare."""

import re
import sys
from pathlib import Path

from clients.conftest import DOCUMENTS, run
from local_stack.stack import Stack
from support.customer import Customer

SCHEMATHESIS = Path(sys.prefix) / "clients/bin/schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_responses_to_orders_are_as_documented(stack: Stack, customer: Customer, tmp_path: Path) -> None:
    _run(stack, tmp_path, DOCUMENTS["orders"], "--header", f"Authorization: Bearer {customer.token}")


def test_responses_to_users_are_as_documented(stack: Stack, customer: Customer, tmp_path: Path) -> None:
    _run(stack, tmp_path, DOCUMENTS["users"], "--auth", f"{customer.name}:{customer.password}")


def _run(stack: Stack, folder: Path, document: str, *options: str) -> None:
    limits = ("--max-examples=50", "--seed=1", "--request-timeout=20", "--rate-limit=15/s")
    chosen = ("--mode=positive", f"--checks={CHECKS}", "--phases=examples,coverage,fuzzing", *limits)
    report = run(
        *(SCHEMATHESIS, "run", stack.base_url + document, "--url", stack.base_url, f"--tls-verify={stack.ca}"),
        *(*chosen, *options),
        cwd=folder,
    )

    assert re.search(r"\b([1-9]\d+) generated, \1 passed", report), report[-2000:]
