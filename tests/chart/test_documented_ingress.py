"""The values in docs/kubernetes.md for Ingress controllers render what the page says."""

import re
from pathlib import Path

import pytest
import yaml

from support import helm

MINIMAL = helm.CHART / "ci/minimal-values.yaml"
PRODUCTION = helm.CHART / "ci/production-values.yaml"


@pytest.fixture(scope="module")
def documented() -> dict[str, str]:
    """Return the YAML blocks of the section: `contour` with the values of the Ingress, `traefik`."""
    page = (helm.ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    section = page.partition("### Ingress controllers\n")[2].partition("\n### ")[0]
    contour, traefik = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    return {"contour": contour, "traefik": traefik}


def rendered(base: Path, folder: Path, text: str) -> list[helm.Resource]:
    """Return what the chart renders with the values of the file `base` and those in `text`."""
    (file := folder / "values.yaml").write_text(text, encoding="utf-8")
    return helm.parse(helm.template("--values", str(base), "--values", str(file)))


@pytest.mark.parametrize("base", [MINIMAL, PRODUCTION], ids=lambda path: path.name)
def test_values_for_contour_render_one_route(base: Path, documented: dict[str, str], tmp_path: Path) -> None:
    values = yaml.safe_load(documented["contour"])["ingress"]
    resources = rendered(base, tmp_path, documented["contour"])
    (ingress,) = [resource for resource in resources if resource["kind"] in {"Ingress", "HTTPRoute"}]
    ports = [port for r in resources if r["kind"] == "Service" for port in r["spec"]["ports"] if port["port"] == 8443]

    assert ingress["metadata"]["annotations"] == values["annotations"]
    assert ingress["spec"]["tls"] == [{"hosts": values["hosts"], "secretName": "orders-tls"}]
    # Contour reads appProtocol, Traefik the name.
    assert [(port["name"], port["appProtocol"]) for port in ports] == [("https", "https")] * 2


def test_values_for_traefik_give_each_api_its_transport(documented: dict[str, str], tmp_path: Path) -> None:
    resources = rendered(MINIMAL, tmp_path, documented["traefik"])
    transports = {r["metadata"]["name"]: r["spec"] for r in resources if r["kind"] == "ServersTransport"}
    services = [r["metadata"] for r in resources if r["kind"] == "Service"]
    values = yaml.safe_load(MINIMAL.read_text(encoding="utf-8"))

    assert len(services) == len(transports) == 2
    for service in services:
        api = service["name"].removeprefix("retail-")
        (annotation,) = [v for k, v in service["annotations"].items() if k.endswith("/service.serverstransport")]
        assert annotation == f"{helm.NAMESPACE}-{api}@kubernetescrd"
        assert transports[api]["serverName"] == f"{service['name']}.{helm.NAMESPACE}.svc"
        assert transports[api]["rootCAs"] == [{"secret": values[helm.key(api)]["tls"]["existingSecret"]}]
