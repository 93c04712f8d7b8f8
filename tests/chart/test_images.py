"""Settings of images: registry, tag, digest, pull policy and pull Secrets, per component and for nginx."""

import re

import pytest

from support import helm, manifests

MINIMAL = helm.CHART / "ci/minimal-values.yaml"
DIGEST = "sha256:" + "0123456789abcdef" * 4
OPERATOR = ["operator.enabled=true", "operator.mongodb.existingSecret=m", "operator.kafka.existingSecret=k"]
KEYS = {name: helm.key(name) for name in (*helm.SERVICES, "operator")}


def images(*settings: str) -> dict[str, str]:
    """Return the image of each container, by container name; `test` is the container of the test pod."""
    options = [part for text in (*OPERATOR, *settings) for part in ("--set", text)]
    pods = manifests.pods(helm.parse(helm.template("--values", str(MINIMAL), *options)))
    return {container["name"]: container["image"] for pod in pods for container in pod.containers}


@pytest.mark.parametrize("registry", ["registry.example.com/shop", "registry.example.com/shop/"])
def test_registry_is_prefixed_to_every_image(registry: str) -> None:
    found = images(f"imageRegistry={registry}")

    assert set(found) == {*KEYS, "proxy", "test"}
    assert {
        image.startswith("registry.example.com/shop/retail-orders/") for n, image in found.items() if n != "proxy"
    } == {True}
    assert found["proxy"].startswith("registry.example.com/shop/nginxinc/nginx-unprivileged:")


def test_registry_of_one_image_overrides_the_common_one() -> None:
    found = images("imageRegistry=a.example", "proxy.image.registry=docker.io")

    assert found["proxy"].startswith("docker.io/nginxinc/")
    assert found["test"].startswith("a.example/retail-orders/order-api:")


@pytest.mark.parametrize("name", [*KEYS, "proxy"])
def test_every_image_accepts_a_digest(name: str) -> None:
    key = KEYS.get(name, name)

    assert images(f"{key}.image.digest={DIGEST}", f"{key}.image.tag=1.2")[name].endswith(f":1.2@{DIGEST}")
    assert images(f"{key}.image.tag=1.2@{DIGEST}")[name].endswith(f":1.2@{DIGEST}")
    assert re.fullmatch(rf"[a-z/-]+@{DIGEST}", images(f"{key}.image.digest={DIGEST}", f"{key}.image.tag=")[name])
    assert re.fullmatch(rf"[a-z/-]+@{DIGEST}", images(f"{key}.image.tag=@{DIGEST}")[name])


def test_digest_setting_and_a_tag_with_digest_are_rejected_together() -> None:
    digests = f"orderApi.image.digest={DIGEST},orderApi.image.tag=1@{DIGEST}"
    result = helm.template("--values", str(MINIMAL), "--set", digests)

    assert result.returncode != 0
    assert "values don't meet the specifications of the schema" in result.stderr


def test_pull_secrets_given_as_names_or_objects_are_listed_once() -> None:
    options = ("imagePullSecrets[0]=a", "imagePullSecrets[1].name=b", "orderApi.image.pullSecrets={b,c}",
               "proxy.image.pullSecrets[0].name=d")  # fmt: skip
    sets = [part for text in options for part in ("--set", text)]
    found = {
        pod.owner: [secret["name"] for secret in pod.spec["imagePullSecrets"]]
        for pod in manifests.pods(helm.parse(helm.template("--values", str(MINIMAL), *sets)))
    }

    assert found == {
        "Deployment/retail-order-api": ["a", "b", "c", "d"],
        "Deployment/retail-auth-api": ["a", "b", "d"],
        "Deployment/retail-order-processor": ["a", "b"],
        "Pod/retail-test": ["a", "b", "c"],
    }


def test_pull_policy_of_one_image_overrides_the_common_one() -> None:
    sets = ["--set", "imagePullPolicy=Always,proxy.image.pullPolicy=Never"]
    pods = manifests.pods(helm.parse(helm.template("--values", str(MINIMAL), *sets)))
    policies = {container["name"]: container["imagePullPolicy"] for pod in pods for container in pod.containers}

    assert policies == dict.fromkeys((*helm.SERVICES, "test"), "Always") | {"proxy": "Never"}
