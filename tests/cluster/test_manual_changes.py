"""After manual changes to a Deployment, `helm upgrade` and rollback are still applied completely."""

import os
import subprocess
from collections.abc import Callable

import pytest

from support import kind, kind_load, kind_release

DEPLOYMENT = "deployment/retail-order-api"


def scale_up() -> None:
    kind.kubectl("scale", DEPLOYMENT, "--replicas=3")


def restart() -> None:
    kind.kubectl("rollout", "restart", DEPLOYMENT)


def set_image() -> None:
    kind.kubectl("set", "image", DEPLOYMENT, f"order-api={kind.retag('order-api')}")


def edit_annotations() -> None:
    """Add an annotation, and change one that the chart sets."""
    added = r"0,/^  annotations:/s//&\n    example.com\/note: by-hand/"
    changed = r"s/\(default-container: \)order-api/\1proxy/"
    editor = f"sed -i -e '{added}' -e '{changed}'"
    command = ["kubectl", "--context", kind.CONTEXT, "--namespace", kind.NAMESPACE, "edit", DEPLOYMENT]
    done = subprocess.run(
        command, env=os.environ | {"KUBE_EDITOR": editor}, capture_output=True, text=True, check=False, timeout=60
    )
    assert "edited" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "force"), [(scale_up, False), (restart, False), (set_image, True), (edit_annotations, True)]
)
def test_upgrade_and_rollback_work_after_a_manual_change(change: Callable[[], None], *, force: bool) -> None:
    """Upgrade and rollback reach all components, each Deployment requests two replicas or more, and no request fails.

    A changed number of replicas is kept. After a change to a field that the chart sets, upgrade and rollback run with
    `--force-conflicts`, and the chart's value wins.
    """
    with kind_release.restored(), kind_load.running(20) as load, kind_release.replicas_observed() as seen:
        images = kind_release.images()
        change()
        kind.rollout("order-api")
        kind_release.upgrade("logLevel=debug", force=force)
        upgraded = kind_release.environment("LOG_LEVEL")
        kind_release.rollback(force=force)
        replicas = kind_release.replicas("order-api")

    assert upgraded == dict.fromkeys(kind.COMPONENTS, "debug")
    assert kind_release.environment("LOG_LEVEL") == dict.fromkeys(kind.COMPONENTS, "info")
    assert kind_release.images() == images
    assert replicas == (3 if change is scale_up else 2)
    assert min(seen.lowest.values()) >= 2, seen
    load.assert_nothing_failed()


def test_switching_the_autoscaler_keeps_at_least_two_replicas() -> None:
    """An upgrade and a rollback follow each switch; at least two replicas are requested, and no HTTP request fails."""
    with kind_release.restored(), kind_load.running(20) as load, kind_release.replicas_observed() as seen:
        for enabled in ("false", "true"):
            kind_release.upgrade(f"orderApi.autoscaling.enabled={enabled}")
            kind_release.upgrade("logLevel=debug")
            assert kind_release.environment("LOG_LEVEL") == dict.fromkeys(kind.COMPONENTS, "debug")
            kind_release.rollback()
            assert kind_release.environment("LOG_LEVEL") == dict.fromkeys(kind.COMPONENTS, "info")

    assert min(seen.lowest.values()) >= 2, seen
    load.assert_nothing_failed()
