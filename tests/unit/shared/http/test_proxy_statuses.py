"""The counter of nginx's own responses counts each reported status, ignores garbage, and runs until it is closed."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from shared.config.service_settings import loopback
from shared.http import proxy_statuses
from shared.http.proxy_statuses import OTHER, STATUSES, ProxyStatuses, count_proxy_statuses
from shared.resilience.backoff import Backoff
from support import wait
from support.free_ports import free_port

LINE = b"<190>Nov 30 13:40:57 proxy: "


class Harness:
    """A counter that is not started yet, and a socket that sends datagrams to it."""

    def __init__(self) -> None:
        self.address = ("127.0.0.1", free_port())
        self.registry = CollectorRegistry()
        self.worker = ProxyStatuses(self.address, self.registry)
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.sender.sendto(datagram, self.address)

    def count(self, status: str) -> float:
        value = self.registry.get_sample_value("retail_proxy_responses_total", {"status": status})
        assert value is not None
        return value

    def total(self) -> float:
        return sum(self.count(status) for status in (*STATUSES, OTHER))

    def await_listening(self) -> None:
        """Send datagrams until one is counted, because UDP does not report whether a socket listens."""

        def counted() -> bool:
            self.send(LINE + b"505")
            return self.count("505") > 0

        wait.until(counted, "a counted datagram", seconds=20)


@pytest.fixture
def harness() -> Iterator[Harness]:
    harness = Harness()
    yield harness
    assert harness.worker.close(10)
    harness.sender.close()


def test_each_status_is_counted(harness: Harness) -> None:
    harness.worker.start()
    harness.await_listening()
    harness.send(LINE + b"429", LINE + b"503", LINE + b"429", LINE + b"418")

    wait.until(lambda: harness.count(OTHER) == 1, "the last datagram")
    assert (harness.count("429"), harness.count("503"), harness.count("400")) == (2, 1, 0)


def test_garbage_is_ignored_and_the_next_datagram_is_counted(harness: Harness) -> None:
    harness.worker.start()
    harness.await_listening()
    before = harness.total()
    garbage = [
        b"",
        b"429",
        LINE,
        LINE + b"42",
        LINE + b"4290",
        LINE + b"999",
        b"\0" * 60_000,
        LINE + b"429" + b" " * 200,
    ]
    harness.send(*garbage, b"<190>Nov 30 13:40:57 other: 429", LINE + "\u0664\u0662\u0669".encode(), LINE + b"431")

    wait.until(lambda: harness.count("431") == 1, "the last datagram")
    assert harness.total() <= before + 2  # the 431, and perhaps a late 505 of `await_listening`
    assert harness.count("429") == 0


def test_flood_is_read_in_bounded_batches(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many datagrams wait, one batch reads at most BATCH of them."""
    monkeypatch.setattr(proxy_statuses, "BATCH", 10)
    receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiving.bind(harness.address)
    harness.send(*[LINE + b"429"] * 25)

    with receiving:
        assert proxy_statuses._statuses(receiving) == ["429"] * 10
        assert proxy_statuses._statuses(receiving) == ["429"] * 10
        assert proxy_statuses._statuses(receiving) == ["429"] * 5


def test_port_in_use_is_retried_until_it_is_free(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_statuses, "BACKOFF", Backoff(0.01, 0.05))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as occupant:
        occupant.bind(harness.address)
        harness.worker.start()
        occupant.settimeout(20)
        harness.send(LINE + b"429")
        assert occupant.recv(100) == LINE + b"429"

    harness.await_listening()
    assert harness.count("429") == 0


def test_close_wakes_the_idle_thread(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_statuses, "IDLE_SECONDS", 3600)
    harness.worker.start()
    harness.await_listening()
    time.sleep(2 * proxy_statuses.PAUSE_SECONDS)

    assert harness.worker.close(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "proxy-statuses"]


def test_without_address_no_metric_is_exported() -> None:
    registry = CollectorRegistry()

    count_proxy_statuses(loopback(""), registry)()

    assert [*registry.collect()] == []


@pytest.mark.parametrize("text", ["0.0.0.0:9091", "10.0.0.1:9091", "localhost:9091", "[::]:9091", "127.0.0.1"])
def test_address_must_be_on_loopback(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        loopback(text)

    assert loopback("127.0.0.1:9091") == ("127.0.0.1", 9091)
    assert loopback("[::1]:9091") == ("::1", 9091)
