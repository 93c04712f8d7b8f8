"""Runs beside Prometheus and keeps its target files current, because Debian's Prometheus cannot ask Kubernetes.

Started as `python discovery.py JOBS FOLDER`. JOBS is a JSON file with one entry per scrape job: kind, name, namespace,
labels and port of the monitor. The targets of job N are FOLDER/N.json. Uses only the standard library.
"""

import json
import ssl
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 2


def listed(kind: str, namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    """Return the objects with these labels."""
    selector = urllib.parse.quote(",".join(f"{name}={value}" for name, value in labels.items()))
    url = f"https://kubernetes.default.svc/api/v1/namespaces/{namespace}/{kind}?labelSelector={selector}"
    token = (ACCOUNT / "token").read_text()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310 - https
        items: list[dict[str, Any]] = json.load(answer)["items"]
        return items


def targets(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the targets of a job with the labels that the Prometheus operator gives them."""
    find = _of_services if job["kind"] == "ServiceMonitor" else _of_pods
    common = {"namespace": job["namespace"], "endpoint": job["port"]}
    return [{"targets": [address], "labels": common | labels} for address, labels in find(job)]


def _of_services(job: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for found in listed("endpoints", job["namespace"], job["labels"]):  # Endpoints have the labels of their Service
        service = found["metadata"]["name"]
        for subset in found.get("subsets", []):
            for port in (p["port"] for p in subset.get("ports", []) if p.get("name") == job["port"]):
                for address in subset.get("addresses", []) + subset.get("notReadyAddresses", []):
                    pod = address["targetRef"]["name"]
                    yield f"{address['ip']}:{port}", {"job": service, "service": service, "pod": pod}


def _of_pods(job: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for pod in listed("pods", job["namespace"], job["labels"]):
        ports = [(c["name"], p) for c in pod["spec"]["containers"] for p in c.get("ports", [])]
        if pod["status"]["phase"] == "Running" and "podIP" in pod["status"]:
            for container, port in ports:
                if port.get("name") == job["port"]:
                    labels = {"pod": pod["metadata"]["name"], "container": container}
                    address = f"{pod['status']['podIP']}:{port['containerPort']}"
                    yield address, labels | {"job": f"{job['namespace']}/{job['name']}"}


def main() -> None:
    """Write the targets every two seconds, until killed; keep them while the API server does not answer."""
    jobs, folder = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    while True:
        for number, job in enumerate(jobs):
            new = folder / f"{number}.new"
            try:
                new.write_text(json.dumps(targets(job)), encoding="utf-8")
                new.replace(folder / f"{number}.json")
            except OSError as error:
                print(f"{job['name']}: {error}", file=sys.stderr, flush=True)
        time.sleep(SECONDS)


if __name__ == "__main__":
    main()
