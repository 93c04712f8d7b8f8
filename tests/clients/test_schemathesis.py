"""Schemathesis sends requests that the OpenAPI documents allow; every response must be a documented one."""

import os
import re
import sys
from pathlib import Path

from clients.conftest import DOCUMENTS, run
from local_stack.stack import Stack
from support.customer import Customer

USAGE = Path(__file__).parent / "usage"
SCHEMATHESIS = Path(sys.prefix) / "clients/bin/schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_order_api_returns_only_documented_responses(stack: Stack, customer: Customer, tmp_path: Path) -> None:
    report = _run(stack, tmp_path, "orders", customer, "--header", f"Authorization: Bearer {customer.token}")

    assert "mostly rejected" not in report
    assert len(customer.get(userid=customer.name, limit=100).json()["items"]) >= 20


def test_auth_api_returns_only_documented_responses(stack: Stack, customer: Customer, tmp_path: Path) -> None:
    _run(stack, tmp_path, "users", customer, "--auth", f"{customer.name}:{customer.password}")


def _run(stack: Stack, folder: Path, document: str, customer: Customer, *options: str) -> str:
    limits = ("--max-examples=50", "--seed=1", "--request-timeout=20", "--rate-limit=15/s")
    chosen = ("--mode=positive", f"--checks={CHECKS}", "--phases=examples,coverage,fuzzing", *limits)
    report = run(
        *(
            SCHEMATHESIS,
            "run",
            stack.base_url + DOCUMENTS[document],
            "--url",
            stack.base_url,
            f"--tls-verify={stack.ca}",
        ),
        *(*chosen, *options),
        cwd=folder,
        env=os.environ
        | {"CUSTOMER": customer.name, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(USAGE)},
    )

    assert re.search(r"\b([1-9]\d+) generated, \1 passed", report), report[-2000:]
    return report
