"""Fault tests are numbered rows. They run only on request: `FAULTS=short` or `FAULTS=full`.

`make test-faults-short` and `make test-faults` set FAULTS. `ROW=n` selects one row; `SEED=n` seeds the
random choices. An interrupted full run of all rows continues where it stopped. Row 28, which expects broken promises,
runs only with ROW=28 (`make test-mutants`).
"""

import os
import re
import time
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from faults.harness.results import MUTANTS, Result, part
from faults.harness.scale import SCALE

collect_ignore_glob = [] if SCALE else ["test_row_*.py"]
SYSTEMS = ("small", "tight", "proxied", "cluster")
# Python does not close a TLS socket whose connection is reset before the handshake, as happens to the drivers of a test
# when a server is killed.
RESET = r"ignore:Exception ignored in. <ssl\.SSLSocket:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the row that the variable ROW names, sorted by system.

    Without ROW keep all rows but the mutants; a full run leaves out the parts that passed on this commit.
    """
    rows = [item for item in items if _row(item)]
    wanted = os.environ.get("ROW")
    if wanted:
        skipped = [i for i in rows if _row(i) != int(wanted)]
    else:
        skipped = [i for i in rows if _row(i) == MUTANTS or _passed_before(i)]
    items[:] = [item for item in items if item not in skipped]
    items.sort(key=lambda item: (_system(item), _row(item)))
    if skipped:
        config.hook.pytest_deselected(items=skipped)
    for item in items:
        if _row(item):
            item.add_marker(pytest.mark.filterwarnings(RESET))


def _passed_before(item: pytest.Item) -> bool:
    return SCALE == "full" and _result(item).passed_before()


def _row(item: pytest.Item) -> int:
    match = re.match(r"test_row_(\d+)_", item.name)
    return int(match[1]) if match else 0


def _system(item: pytest.Item) -> int:
    names = ("", *SYSTEMS)
    used = [name for name in getattr(item, "fixturenames", ()) if name in SYSTEMS]
    return names.index(used[0]) if used else 0


def _result(item: pytest.Item) -> Result:
    match = re.match(r"test_row_\d+_([^\[]*)(?:\[(.*)\])?$", item.name)
    doc = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip().split("\n")[0]
    name, variant = (match[1], match[2]) if match else (item.name, None)
    return Result(
        row=_row(item),
        part=part(name, variant) if variant else part(name),
        scale=SCALE,
        title=doc + (f" ({variant})" if variant else ""),
        test=f"{item.path.name}::{item.name}",
    )


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The measurements of a row, which are stored in its result file."""
    measured: dict[str, Any] = {}
    request.node.stash[MEASURED] = measured
    return measured


MEASURED = pytest.StashKey[dict[str, Any]]()
STARTED = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[STARTED] = time.monotonic()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store the outcome of each row; a part that is skipped on this machine is `not run`, never passed."""
    report = yield
    if _row(item) and (call.when == "call" or report.failed or report.skipped):
        result = _result(item)
        result.outcome = {"passed": "passed", "skipped": "not run"}.get(report.outcome, "failed")
        result.reason = str(call.excinfo.value)[:2000] if call.excinfo else ""
        result.seconds = round(time.monotonic() - item.stash[STARTED], 1)
        result.figures = item.stash.get(MEASURED, {})
        result.save()
    return report


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Starts the systems that rows need, one at a time."""
    from faults.harness.systems import Systems  # noqa: PLC0415 - the tests of the harness need no stack

    systems = Systems(tmp_path_factory.mktemp("systems"))
    yield systems
    systems.close()


@pytest.fixture
def small(systems: Any) -> Iterator[Any]:
    """A system with one broker, one MongoDB member, two order-api and three order-processors, healed after each row."""
    system = systems.get("small")
    yield system
    system.heal()


@pytest.fixture
def proxied(systems: Any) -> Iterator[Any]:
    """A system like `small`, but with two order-processors, and with proxies in front of MongoDB and Kafka."""
    system = systems.get("proxied")
    yield system
    system.heal()


@pytest.fixture
def cluster(systems: Any) -> Iterator[Any]:
    """A system with three brokers, three MongoDB members, two order-api and two order-processors."""
    system = systems.get("cluster")
    yield system
    system.heal()
