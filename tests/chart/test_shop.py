"""The shop page in the chart's proxy: served only if enabled, with its own headers, and without effect on the API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.certificates import Authority
from support import chart_proxy, helm
from support.raw_https import RawHttpsClient, assert_problem

FILES = helm.CHART / "files/shop"


@pytest.fixture
def client(tmp_path: Path, service: int) -> Iterator[RawHttpsClient]:
    authority = Authority(tmp_path / "authority")
    with chart_proxy.running(tmp_path, authority, service, "--set", "proxy.shop=true") as proxy:
        yield RawHttpsClient(proxy.port, authority.certificate)


def test_shop_page_is_off_by_default() -> None:
    assert set(chart_proxy.files()) == {"nginx.conf", "limits.conf", "own_answers.conf", "rules.conf"}
    assert "shop" not in chart_proxy.files()["nginx.conf"]


def test_shop_page_is_served_at_the_root_with_strict_csp(client: RawHttpsClient) -> None:
    answer = client.ask("GET / HTTP/1.1")

    assert answer.status == 200
    assert answer.body == (FILES / "index.html").read_bytes()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_each_file_has_its_content_type(client: RawHttpsClient) -> None:
    types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in FILES.iterdir():
        answer = client.ask(f"GET /shop/{path.name} HTTP/1.1")

        assert answer.status == 200, path.name
        assert answer.headers["content-type"].partition(";")[0] == types[path.suffix]
        assert answer.body == path.read_bytes()


def test_list_of_links_is_empty_without_configured_addresses(client: RawHttpsClient) -> None:
    answer = client.ask("GET /shop/links.json HTTP/1.1")

    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == {}


def test_unchanged_file_returns_304(client: RawHttpsClient) -> None:
    tag = client.ask("GET /shop/shop.css HTTP/1.1").headers["etag"]

    assert client.ask("GET /shop/shop.css HTTP/1.1", f"If-None-Match: {tag}\r\n").status == 304


@pytest.mark.parametrize("path", ["/shop/nothing.js", "/shop/../nginx.conf", "/shop/..%2frules.conf"])
def test_missing_files_and_files_outside_the_shop_are_not_served(client: RawHttpsClient, path: str) -> None:
    answer = client.ask(f"GET {path} HTTP/1.1")

    if answer.status == 200:  # not a file: the proxy asked the service, which returns the path
        assert answer.json()["path"] == path
    else:
        assert_problem(answer, 404)


def test_post_to_the_shop_page_returns_405(client: RawHttpsClient) -> None:
    answer = client.ask("POST / HTTP/1.1", "Content-Length: 0\r\n")

    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/order", "/orderdetails?orderid=x", "/docs", "/shopping", "/api/users"])
def test_api_paths_reach_the_service(client: RawHttpsClient, path: str) -> None:
    assert client.ask(f"GET {path} HTTP/1.1").json()["path"] == path
