"""The behaviour that every HTTP service shares, tested on a small application."""

import json
import socket

import flask
import msgspec
import pytest
import structlog
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from shared.http import app as web
from shared.http.gunicorn_errors import write_error
from shared.http.problem import Problem, unavailable
from shared.telemetry.metrics import HttpMetrics, ResourceMetrics


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    name: str


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def client(registry: CollectorRegistry) -> FlaskClient:
    app = flask.Flask(__name__)
    threads = ResourceMetrics(registry).track("http_threads", 4)
    web.init_app(app, metrics=HttpMetrics(registry), busy_threads=threads, trusted_proxies=1)

    @app.post("/things")
    def things() -> dict[str, str]:
        return {"name": web.read_json(Thing).name, "client": flask.request.remote_addr or ""}

    @app.get("/busy")
    def busy() -> str:
        raise unavailable("come back later", 2.1)

    @app.get("/things/<name>")
    def thing(name: str) -> str:
        raise Problem(404, f"there is no thing {name}")

    return app.test_client()


def test_request_in_progress_is_counted_as_a_busy_thread(client: FlaskClient, registry: CollectorRegistry) -> None:
    during: list[float | None] = []

    def busy_threads() -> float | None:
        return registry.get_sample_value("retail_resource_in_use", {"resource": "http_threads"})

    @client.application.before_request
    def look() -> None:
        during.append(busy_threads())

    client.get("/busy")
    client.get("/absent")

    assert (during, busy_threads()) == ([1, 1], 0)


def test_instance_of_a_problem_is_a_uri_reference(client: FlaskClient) -> None:
    answer = client.get("/things/%20%22%C3%A9%0D%0A")

    assert answer.json is not None
    assert answer.json["instance"] == "/things/%20%22%C3%A9%0D%0A"


def test_valid_body_is_parsed_into_a_model(client: FlaskClient) -> None:
    answer = client.post("/things", data=b'{"name": "a"}', content_type="application/json; charset=UTF-8")

    assert (answer.status_code, answer.get_json()["name"]) == (200, "a")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"name": "a"}', "text/plain", 415),
        (b'{"name": "a"}', "application/vnd.x+json", 415),
        (b'{"name": "a"}', "application/json; charset=utf-16", 415),
        (b"", "application/json", 400),
        (b'{"name": 1}', "application/json", 422),
        (b'{"name": "' + b"a" * web.MAX_BODY + b'"}', "application/json", 413),
    ],
)
def test_invalid_body_returns_a_problem_with_the_right_status(
    client: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    answer = client.post("/things", data=body, content_type=content_type)

    assert answer.status_code == answer.get_json()["status"] == status
    assert answer.content_type == "application/problem+json"


def test_compressed_body_returns_415(client: FlaskClient) -> None:
    headers = {"Content-Encoding": "gzip"}

    assert client.post("/things", data=b"x", content_type="application/json", headers=headers).status_code == 415


def test_422_has_a_json_pointer_to_the_invalid_field(client: FlaskClient) -> None:
    answer = client.post("/things", json={"name": "a", "more/less": 1})

    assert answer.get_json()["errors"][0]["pointer"] == "/more~1less"


def test_503_has_retry_after(client: FlaskClient) -> None:
    answer = client.get("/busy")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert answer.get_json()["type"] == "unavailable"


def test_405_has_the_allowed_methods(client: FlaskClient) -> None:
    answer = client.options("/things")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "header Allow" in answer.get_json()["detail"]


def test_detail_for_an_unknown_path_refers_to_the_docs(client: FlaskClient) -> None:
    assert client.get("/nowhere").get_json()["detail"] == "Nothing is served at this path. /docs lists every path."


@pytest.mark.parametrize("given", ["", "with space", "x" * 129, "ümlaut"])
def test_valid_request_id_is_kept_and_an_invalid_one_replaced(client: FlaskClient, given: str) -> None:
    kept = client.get("/busy", headers={"X-Request-ID": "abc.DEF_1-2"})
    made = client.get("/busy", headers={"X-Request-ID": given})

    assert kept.headers["X-Request-ID"] == kept.get_json()["request_id"] == "abc.DEF_1-2"
    assert made.headers["X-Request-ID"] not in {"", given}


@pytest.mark.parametrize("path", ["/busy", "/nowhere"])
def test_log_context_is_cleared_after_each_request(client: FlaskClient, path: str) -> None:
    client.get(path)

    assert structlog.contextvars.get_contextvars() == {}


def test_gunicorn_error_is_logged_with_the_request_id_it_returns() -> None:
    ours, clients = socket.socketpair()
    with ours, clients, capture_logs() as lines:
        write_error(ours, 501, "Not Implemented", "the transfer coding is unknown")
        told = json.loads(clients.recv(4096).partition(b"\r\n\r\n")[2])

    assert [(line["request_id"], line["status"]) for line in lines] == [(told["request_id"], 400)]


def test_only_the_last_forwarded_address_is_trusted(client: FlaskClient) -> None:
    answer = client.post("/things", json={"name": "a"}, headers={"X-Forwarded-For": "6.6.6.6, 10.0.0.7"})

    assert answer.get_json()["client"] == "10.0.0.7"


def test_requests_are_counted_by_route_and_not_by_path(client: FlaskClient, registry: CollectorRegistry) -> None:
    client.get("/things/1")
    client.get("/things/2")
    client.get("/nothing")

    def count(route: str) -> float | None:
        labels = {"route": route, "method": "GET", "status": "404"}
        return registry.get_sample_value("retail_http_requests_total", labels)

    assert (count("/things/<name>"), count("unknown"), count("/nothing")) == (2, 1, None)


def test_every_response_has_the_security_headers(client: FlaskClient) -> None:
    for answer in (client.get("/busy"), client.post("/things", json={"name": "a"})):
        assert {name: answer.headers[name] for name in web.HEADERS} == web.HEADERS


def test_truncated_body_returns_400(client: FlaskClient) -> None:
    """A body that is too short is not reported by gunicorn, so the service compares its length with Content-Length."""
    cut = {"CONTENT_LENGTH": "50", "wsgi.input_terminated": True}

    answer = client.post("/things", data=b'{"name": "a"}', content_type="application/json", environ_overrides=cut)

    assert answer.status_code == 400


def test_path_with_double_slash_returns_404_instead_of_redirect(client: FlaskClient) -> None:
    answer = client.get("/things//a")

    assert (answer.status_code, answer.headers.get("Location")) == (404, None)
