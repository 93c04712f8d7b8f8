"""`make image-digests` prints values that pin every image to a digest, or an error that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from support import helm
from support.manifests import Resource, pods

SCRIPT = helm.ROOT / "k8s/image_digests.py"
KIND = helm.CHART / "ci/kind-values.yaml"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def images(resources: list[Resource]) -> dict[str, str]:
    """Return the image of each container, by container name."""
    return {container["name"]: container["image"] for pod in pods(resources) for container in pod.containers}


def run(folder: Path, *values: Path, client: str | None = None, answer: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script with a fake registry client named `client`, which runs the shell code `answer` for each $image."""
    (folder / "helm").symlink_to(helm.programs() / "helm/helm")
    if client:
        program = folder / client
        program.write_text(f"#!/bin/sh\nfor image; do :; done\n{answer}\n")
        program.chmod(0o755)
    environ = {"PATH": f"{folder}", "HOME": str(folder)}
    command = [sys.executable, str(SCRIPT), str(KIND), *map(str, values)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_every_image_is_pinned(tmp_path: Path) -> None:
    """With the printed values, the chart renders each image with the digest that the registry returned for it."""
    number = 'echo "sha256:$(printf %064d ${#image})"'
    path = os.environ["PATH"]
    printed = run(tmp_path, client="crane", answer=f"PATH={path}; {number}")
    assert printed.returncode == 0, printed.stderr
    (digests := tmp_path / "digests.yaml").write_text(printed.stdout)
    pinned = images(helm.parse(helm.template("--values", str(KIND), "--values", str(digests))))

    assert set(yaml.safe_load(printed.stdout)) == {*map(helm.key, helm.SERVICES), "operator", "proxy"}
    for name, image in images(helm.rendered(KIND)).items():
        assert pinned[name].endswith(f"@sha256:{len(image):064d}")
        assert pinned[name].startswith(image.partition(":")[0])


def test_skopeo_and_docker_are_called_with_their_own_arguments(tmp_path: Path) -> None:
    answers = {
        "skopeo": f'case "$image" in docker://*:*) echo {DIGEST};; *) exit 1;; esac',
        "docker": f'case "$1 $2 $3" in "buildx imagetools inspect") echo {DIGEST};; *) exit 1;; esac',
    }
    for client, answer in answers.items():
        (tmp_path / client).mkdir()
        printed = run(tmp_path / client, client=client, answer=answer)

        assert printed.returncode == 0, printed.stderr
        assert yaml.safe_load(printed.stdout)["proxy"] == {"image": {"digest": DIGEST}}


def test_missing_client_failed_lookup_and_invalid_digest_are_reported(tmp_path: Path) -> None:
    cases = {
        "none": (None, "", "install crane, skopeo or docker"),
        "failing": ("crane", "echo denied >&2; exit 1", "cannot find retail-orders/auth-api:0.1.0; is it pushed"),
        "wrong": ("crane", "echo latest", "answered 'latest' for"),
    }
    for name, (client, answer, sentence) in cases.items():
        (tmp_path / name).mkdir()
        printed = run(tmp_path / name, client=client, answer=answer)

        assert printed.returncode == 1
        assert sentence in printed.stderr
        assert printed.stdout == ""


def test_pinned_image_is_looked_up_by_its_tag(tmp_path: Path) -> None:
    """A pinned image without a tag is rejected, because the registry would look up the tag `latest`."""
    printed = {}
    for tag in ("2.0", ""):
        (folder := tmp_path / f"tag{tag}").mkdir()
        image = {"tag": tag, "digest": DIGEST}
        (values := folder / "values.yaml").write_text(yaml.safe_dump({"orderApi": {"image": image}}))
        printed[tag] = run(folder, values, client="crane", answer=f"echo {DIGEST}")

    assert yaml.safe_load(printed["2.0"].stdout)["orderApi"] == {"image": {"digest": DIGEST}}
    assert printed[""].returncode == 1
    assert f"retail-orders/order-api@{DIGEST} has no tag: set orderApi.image.tag" in printed[""].stderr
    assert printed[""].stdout == ""
