"""Zipkin of the local stack: its command, the variables of the services, and what happens without it."""

from pathlib import Path
from typing import NoReturn

import pytest

from local_stack import jars, main, zipkin
from local_stack.errors import StackError
from local_stack.options import Folders, Observation, StackOptions

PORTS = {"zipkin": 4, "otlp-bridge": 5}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def options(*arguments: str) -> StackOptions:
    return main._options(main._parser().parse_args(["run", *arguments]))


def test_all_traces_go_to_zipkin_through_the_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    (folder / "zipkin.jar").touch()
    monkeypatch.setattr(jars, "folder", lambda _program: folder)

    tracing = zipkin.tracing(Observation(traces=True), Folders(tmp_path), PORTS)
    server, bridge = tracing.parts

    assert tracing.variables == {ENDPOINT: "http://127.0.0.1:5", "OTEL_TRACES_SAMPLER_ARG": "1"}
    assert {"-Xmx192m", "-Dzipkin.storage.mem.max-spans=20000"} <= {*server.command}
    assert {"-Darmeria.ports[0].ip=127.0.0.1", "-Darmeria.ports[0].port=4"} <= {*server.command}
    assert bridge.command[1:] == ["-m", "local_stack.otlp_bridge", "5", "http://127.0.0.1:4"]
    assert tracing.sentence == "Zipkin with the traces: http://127.0.0.1:4/zipkin/"


def test_failed_download_is_one_sentence_and_nothing_is_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_program: jars.Program) -> NoReturn:
        raise StackError("the jar could not be downloaded")

    monkeypatch.setattr(jars, "folder", fail)

    tracing = zipkin.tracing(Observation(traces=True), Folders(tmp_path), PORTS)

    assert (tracing.variables, tracing.parts) == ({}, ())
    assert tracing.sentence.startswith("no Zipkin: the jar could not be downloaded; ")


@pytest.mark.parametrize("observe", [None, Observation()])
def test_nothing_is_downloaded_unless_traces_are_asked_for(
    observe: Observation | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(jars, "folder")

    assert zipkin.tracing(observe, Folders(tmp_path), PORTS) == ({}, (), "")


def test_observed_stack_traces_to_zipkin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)

    assert options("--observe").observe == Observation(traces=True)
    assert options().observe is None


def test_endpoint_of_the_user_replaces_zipkin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://localhost:4318")
    chosen = options("--observe")

    assert chosen.observe == Observation(traces=False)
    assert chosen.extra_env["order-api"][ENDPOINT] == "http://localhost:4318"
