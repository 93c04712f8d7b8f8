"""How .ci/run runs its steps: it stops at the first failure, and its table shows every step that was started."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(steps: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/run with these steps instead of its own."""
    script = re.sub(r"^step .*\n", "", (ROOT / ".ci/run").read_text(encoding="utf-8"), flags=re.MULTILINE)
    script = script.replace('cd "$(dirname "$0")/.."', f"cd '{ROOT}'") + steps
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)


def table(output: str) -> list[tuple[str, str]]:
    """Return the result and the title of each step in the table."""
    return re.findall(r"^ +\d+:\d\d  (passed|FAILED|NOT RUN) +(.+)$", output, re.MULTILINE)


def test_failed_step_stops_the_run_with_its_exit_code() -> None:
    done = run("step one true\nstep two bash -c 'exit 3'\nstep three true\n")

    assert done.returncode == 3
    assert table(done.stdout) == [("passed", "one"), ("FAILED", "two")]


def test_step_that_cannot_run_is_reported_and_the_rest_runs() -> None:
    done = run("step one not_run 'no Docker'\nstep two true\n")

    assert done.returncode == 0
    assert "!!! NOT RUN: no Docker" in done.stdout
    assert table(done.stdout) == [("NOT RUN", "one"), ("passed", "two")]


def test_cluster_step_without_its_tools_is_not_run() -> None:
    done = run("step cluster cluster\n")

    assert table(done.stdout) == [("NOT RUN", "cluster")]


def test_failed_command_inside_a_function_fails_its_step() -> None:
    done = run("several() { false && true; }\nstep several several\n")

    assert done.returncode == 1
    assert table(done.stdout) == [("FAILED", "several")]


def test_cluster_tools_is_the_first_step_and_cluster_the_last() -> None:
    steps = re.findall(r"^step .* (\S+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)

    assert (steps[0], steps[-1]) == ("cluster_tools", "cluster")


def test_check_on_a_fresh_debian_is_not_run_without_root(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run(
        [ROOT / ".ci/fresh"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 69
    assert done.stdout == "NOT RUN: a newly installed Debian needs root, for debootstrap and chroot\n"
