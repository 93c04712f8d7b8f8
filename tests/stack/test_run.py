"""`local-stack run` as a user starts, breaks and stops it: a real system with its own folder and ports.

The tests depend on each other and run in this order: the first run's supervisor is killed, the second run continues
with its data until Ctrl-C, and the third run's parent is killed during the start.
"""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from support import wait
from support.customer import Customer, https
from support.stack_run import StackRun, call, free_offset, gone

PARTS = ["proxy", "console", "order-api-0", "auth-api-0", "order-processor-0", "mongodb", "kafka"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "stack"


@pytest.fixture(scope="module")
def run(root: Path) -> Iterator[StackRun]:
    """The first run of `local-stack run`, with its smoke test done."""
    run = StackRun(root, free_offset()).await_line("Ctrl-C")
    yield run
    run.end()


@pytest.fixture(scope="module")
def kept(run: StackRun) -> tuple[Customer, str]:
    """A customer with an order that must still exist in the second run."""
    customer = run.customer()
    return customer, customer.place()


def test_smoke_test_prints_requests_and_responses_without_secrets(run: StackRun) -> None:
    output = run.output.read_text()

    assert "POST /api/users" in output
    assert "The order was PROCESSED" in output
    for secret in secrets(run):
        assert secret not in output


def test_stack_json_has_the_address_of_every_part(run: StackRun) -> None:
    stack = run.file

    assert list(stack) == ["base_url", "ca", "services", "mongodb", "kafka", "proxy", "console"]
    assert [(s["name"], s["replica"]) for s in stack["services"]] == [
        ("order-api", 0),
        ("order-api", 1),
        ("auth-api", 0),
        ("order-processor", 0),
    ]
    assert Path(stack["ca"]).is_absolute()
    with https(stack["base_url"], stack["ca"]) as client:
        assert client.get("/openapi.json").status_code == 200
    for service in stack["services"]:
        assert httpx.get(f"{service['admin_url']}/readyz").status_code == 200
    family = {process.pid for process in run.family()}
    assert set(run.pids.values()) <= family


def test_console_responds_at_the_printed_address(run: StackRun) -> None:
    url = run.file["console"]["url"]

    assert url in run.output.read_text()
    assert "FAILED" in httpx.get(f"{url}panels/failed").text
    assert httpx.get(f"{url[:-10]}/").status_code == 404


def test_only_the_owner_can_read_the_stack_folder(run: StackRun) -> None:
    open_to_others = [path for path in [run.root, *run.root.rglob("*")] if path.lstat().st_mode & 0o077]

    assert not open_to_others


def test_no_secret_appears_in_process_list_or_log(run: StackRun) -> None:
    shown = [" ".join(process.cmdline()) for process in run.family()]
    shown += [json.dumps(process.environ()) for process in run.family()[1:]]
    shown += [path.read_text(errors="replace") for path in (run.root / "log").iterdir()]

    for secret in [*secrets(run), (run.root / "config" / "console" / "token").read_text()]:
        assert not [text[:200] for text in shown if secret in text]


def secrets(run: StackRun) -> list[str]:
    files = [path for path in (run.root / "secrets").iterdir() if "-uri-" not in path.name]
    assert len(files) >= 9
    return [path.read_text() for path in files]


def test_client_settings_have_the_servers_and_the_user(run: StackRun) -> None:
    text = (run.root / "clients" / "operator.env").read_text()

    values = dict(line.split("=", 1) for line in text.splitlines())
    assert values["KAFKA_BOOTSTRAP_SERVERS"] == run.file["kafka"]["bootstrap"]
    assert values["KAFKA_USERNAME"] == "operator"
    assert values["MONGODB_URI"].startswith("mongodb://operator:")


def test_second_start_and_clean_are_refused_while_the_stack_runs(run: StackRun) -> None:
    for command in ("run", "clean"):
        rejected = call(command, "--root", run.root)

        assert rejected.returncode == 1
        assert rejected.stderr == (
            f"local-stack: a stack is already running in {run.root} (pid {run.pid}): "
            f"stop it with Ctrl-C there, or with 'kill {run.pid}'\n"
        )


def test_error_for_a_port_in_use_names_the_program(tmp_path: Path) -> None:
    offset = free_offset()
    with socket.create_server(("127.0.0.1", 8443 + offset)):
        rejected = call("run", "--root", tmp_path / "stack", "--port-offset", str(offset))

    assert rejected.returncode == 1
    assert rejected.stderr == (
        f"local-stack: port {8443 + offset}, which proxy needs, is in use by {psutil.Process().name()} "
        f"(pid {os.getpid()}): stop that program, or use other ports: make run PORT_OFFSET={offset + 1000}\n"
    )


@pytest.mark.parametrize("part", PARTS)
def test_killed_part_is_restarted_and_orders_are_processed(
    run: StackRun, kept: tuple[Customer, str], part: str
) -> None:
    customer, _ = kept
    before = run.pids[part]
    remains = psutil.Process(before).children(recursive=True)

    os.kill(before, signal.SIGKILL)

    wait.until(lambda: run.pids[part] not in {None, before}, "another pid in stack.json", seconds=15)
    assert all(gone(process) for process in remains)
    wait.until(lambda: run.healed(part), f"{part} to be ready again", seconds=120)
    accepted = wait.until(lambda: place(customer), "an order to be accepted", seconds=60)
    customer.processed(accepted)
    wait.until(lambda: f"{before}) was killed by SIGKILL" in run.output.read_text(), "a word about it")


def place(customer: Customer) -> str | None:
    """Place an order; return its reference, or None for 503 with Retry-After, the only rejection that is allowed."""
    answer = customer.post()
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
        return None
    assert answer.status_code == 200, answer.text
    return str(answer.json()["order_reference"])


def test_no_process_outlives_a_supervisor_killed_by_sigkill(run: StackRun, kept: tuple[Customer, str]) -> None:
    assert kept
    family = run.family()
    assert len(family) > len(PARTS)

    os.kill(run.pid, signal.SIGKILL)

    wait.until(lambda: all(gone(process) for process in family), "all processes to stop", seconds=10)
    wait.until(lambda: not (run.root / "stack.json").exists(), "stack.json to be removed", seconds=5)


def test_data_survives_a_restart_and_ctrl_c_stops_everything(root: Path, kept: tuple[Customer, str]) -> None:
    customer, reference = kept
    second = StackRun(root, free_offset() + 1).await_line("Ctrl-C")
    try:
        with https(second.file["base_url"], second.file["ca"]) as client:
            customer.http = client
            assert customer.processed(reference)["status"] == "PROCESSED"
            token = client.get("/api/token", auth=(customer.name, customer.password))
            assert token.status_code == 200
        family = second.family()

        os.killpg(second.shell.pid, signal.SIGINT)  # Ctrl-C in a terminal sends SIGINT to the shell and its command

        second.shell.wait(30)
        wait.until(lambda: all(gone(process) for process in family), "all processes to stop", seconds=5)
        assert not (root / "stack.json").exists()
        assert second.output.read_text().endswith("stopped; data, secrets and logs are kept\n")
    finally:
        second.end()


def test_stack_stops_after_its_parent_dies_and_can_be_cleaned(root: Path) -> None:
    third = StackRun(root, free_offset()).await_line("MongoDB is ready")
    family = third.family()

    third.shell.kill()
    third.shell.wait(5)

    wait.until(lambda: all(gone(process) for process in family), "all processes to stop", seconds=30)
    removed = call("clean", "--root", root)
    assert (removed.returncode, removed.stderr) == (0, "")
    assert not root.exists()
