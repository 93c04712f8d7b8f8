"""Runs helm and other programs for the scripts of this folder."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "charts/retail-orders"
SECONDS = 60
Resource = dict[str, Any]


class CommandFailed(Exception):  # noqa: N818 - a state of the command
    """A command failed (the message is its error output), could not be started, or took more than a minute."""


def run(command: Sequence[str]) -> str:
    """Return what a command prints, or raise CommandFailed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(str(error)) from None
    if done.returncode:
        raise CommandFailed(done.stderr.strip())
    return done.stdout


def resources(command: Sequence[str]) -> list[Resource]:
    """Return the Kubernetes resources that a command prints, or raise CommandFailed."""
    return [resource for resource in yaml.safe_load_all(run(command)) if resource]


def chart(release: str, values: Sequence[str], *options: str) -> list[Resource]:
    """Return the resources of the chart with these values files, or raise CommandFailed."""
    files = [part for file in values for part in ("--values", file)]
    return resources(["helm", "template", release, str(CHART), *options, *files])
