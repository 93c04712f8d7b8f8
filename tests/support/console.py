"""The operator's page over MongoDB and topics in memory."""

import re
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from fakes.operator import FakeSession, FakeTopics
from retail_cli.console.app import create_app

TOKEN = "t" * 43
ROOT = f"/{TOKEN}"


def console(*orders: Any, topics: FakeTopics | None = None) -> tuple[FlaskClient, FakeSession]:
    session = FakeSession(*orders, topics=topics)
    app = create_app(session, list, token=TOKEN, by="operator:ada")  # type: ignore[arg-type]
    return app.test_client(), session


def post(client: FlaskClient, path: str, **form: Any) -> Any:
    return client.post(f"{ROOT}{path}", data=form, headers={"Origin": "http://localhost"})


def plan_id(page: str) -> str:
    found = re.search(r'name="plan" value="([^"]+)"', page)
    assert found, page
    return found[1]


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail
