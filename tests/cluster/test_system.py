"""The installed system: it processes an order from outside, restricts its pods, and its resources are accepted."""

import json
import subprocess

import httpx
import pytest

from support import kind
from support.customer import Customer

pytestmark = pytest.mark.short


def test_order_placed_from_outside_is_processed(customer: Customer) -> None:
    """A client outside the cluster registers, gets a token, places an order and reads it PROCESSED."""
    order = customer.processed(customer.place())

    assert [entry["status"] for entry in order["history"]] == ["PLACED", "PROCESSED"]


def test_proxy_serves_both_apis_and_hides_everything_else(https_client: httpx.Client) -> None:
    """Both OpenAPI documents are served; unknown paths and the paths of admin ports return a 404 problem."""
    assert "paths" in https_client.get("/openapi.json").json()
    assert "paths" in https_client.get("/api/openapi.json").json()
    for path in ("/livez", "/readyz", "/metrics", "/nowhere"):
        answer = https_client.get(path)

        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_proxies_reject_large_bodies_and_headers_themselves(https_client: httpx.Client, customer: Customer) -> None:
    """A large body gets 413 with a problem document, and large headers get 431."""
    large = customer.post({"orderitems": ["x" * 200] * 100, "note": "x" * 70_000})
    headers = https_client.get("/orderdetails", headers={"X-Filler": "x" * 40_000})

    assert large.status_code == 413
    assert large.headers["Content-Type"].startswith("application/problem+json")
    assert headers.status_code == 431


def test_helm_test_places_an_order() -> None:
    """`helm test` runs a pod of the release that places an order through the Services."""
    helm = ["helm", "--kube-context", kind.CONTEXT, "--namespace", kind.NAMESPACE]
    done = subprocess.run(
        [*helm, "test", "retail", "--logs", "--timeout", "150s"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROCESSED" in done.stdout


@pytest.mark.parametrize("component", kind.COMPONENTS)
def test_image_has_the_bytecode_of_every_module(component: str) -> None:
    """Pods have a read-only file system, so missing bytecode would be compiled at each start."""
    package = component.replace("-", "_")
    main = "main" if component == "order-processor" else "app"
    code = f"""
import os, sys, {package}.{main}
cached = {{name: getattr(module, "__cached__", None) for name, module in sys.modules.items()}}
print(len(cached), [name for name, file in cached.items() if file and not os.path.exists(file)])
"""
    count, _, missing = kind.python(f"deployment/retail-{component}", code, container=component).partition(" ")

    assert int(count) > 200
    assert missing == "[]"


def test_namespace_enforces_the_restricted_standard() -> None:
    """MongoDB, Kafka and the services run in the restricted namespace; a pod that needs more rights is rejected."""
    namespace = json.loads(kind.kubectl("get", "namespace", kind.NAMESPACE, "--output", "json"))
    running = kind.list_of("pods")
    greedy = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy"},
              "spec": {"containers": [{"name": "greedy", "image": kind.image()}]}}  # fmt: skip
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        kind.kubectl("create", "--dry-run=server", "--filename", "-", stdin=json.dumps(greedy))

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {"mongodb", "retail-kafka", "retail-orders"} <= {
        pod["metadata"]["labels"].get("app.kubernetes.io/name") or pod["metadata"]["labels"].get("strimzi.io/name")
        for pod in running
    }


def test_custom_resources_match_the_operator_definitions() -> None:
    """A resource of every custom kind exists, so the API server has accepted it by the operator's schema."""
    for kind_of in ("kafka", "kafkanodepool", "kafkatopic", "kafkauser", "certificate", "issuer", "httproute",
                    "backendtlspolicy", "gateway", "clienttrafficpolicy", "backendtrafficpolicy"):  # fmt: skip
        assert kind.list_of(kind_of), kind_of


def test_gateway_api_accepts_routes_and_policies() -> None:
    """Every condition of a route, policy or gateway is True; only Conflicted may be False."""
    for kind_of in ("httproute", "backendtlspolicy", "gateway", "clienttrafficpolicy", "backendtrafficpolicy"):
        for resource in kind.list_of(kind_of):
            status = resource["status"]
            groups = [status, *status.get("parents", []), *status.get("ancestors", []), *status.get("listeners", [])]
            conditions = [c for group in groups for c in group.get("conditions", [])]

            assert conditions, resource["metadata"]["name"]
            assert [c for c in conditions if c["status"] != "True" and c["type"] != "Conflicted"] == []
