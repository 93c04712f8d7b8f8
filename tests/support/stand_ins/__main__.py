"""python -m support.stand_ins definitions | certificates [NAME...] | {kafka | prometheus} IMAGE OWN-IMAGE."""

import sys
from pathlib import Path

from support.stand_ins import certificates, kafka, kube, prometheus

DEFINITIONS = Path(__file__).resolve().parents[2] / "chart/schemas"


def install_definitions() -> None:
    """Install the CustomResourceDefinitions of the operators that are replaced; the gateway brings its own."""
    for file in sorted(DEFINITIONS.glob("*.json")):
        if not file.name.endswith(("gateway.networking.k8s.io.json", "gateway.envoyproxy.io.json")):
            kube.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(file))
    kube.kubectl("wait", "--for", "condition=Established", "crd", "--all", "--timeout", "60s")


def main() -> None:
    """Install the definitions, or do the work of one operator once."""
    match sys.argv[1:]:
        case ["definitions"]:
            install_definitions()
        case ["certificates", *names]:
            print("issued:", *certificates.reconcile(frozenset(names)))
        case ["kafka", image, own_image]:
            kafka.reconcile(image, own_image)
        case ["prometheus", image, own_image]:
            prometheus.reconcile(image, own_image)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
