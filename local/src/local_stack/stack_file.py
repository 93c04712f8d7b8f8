"""The content of stack.json, which says where everything is."""

from collections.abc import Iterable, Mapping
from typing import Any

from local_stack.catalog import Replica
from local_stack.services import Wiring


def describe(
    wiring: Wiring, replicas: Iterable[Replica], pids: Mapping[str, int], *, ca: str, console: str | None
) -> dict[str, Any]:
    """Return the addresses and pids of the services, MongoDB, Kafka, the proxy and the console.

    `pids` has the process id of each running part by name. `ca` is the file of the local CA, `console` the address of
    the operator's console, if it runs.
    """
    services = [
        {
            "name": replica.service,
            "replica": replica.number,
            "pid": pids.get(replica.name),
            "url": wiring.url(replica),
            "admin_url": wiring.admin_url(replica),
        }
        for replica in replicas
    ]
    return {
        "base_url": wiring.base_url(),
        "ca": ca,
        "services": services,
        "mongodb": {"uri": wiring.mongodb.uri} | _pids(pids, "mongodb"),
        "kafka": {"bootstrap": wiring.kafka_bootstrap} | _pids(pids, "kafka"),
        "proxy": {"pid": pids.get("proxy")},
    } | ({"console": {"url": console, "pid": pids.get("console")}} if console else {})


def _pids(pids: Mapping[str, int], kind: str) -> dict[str, Any]:
    """Return `pid`, of the first process of a kind, and `others`, the pids of that kind's other processes by name."""
    others = {name: pid for name, pid in pids.items() if name.startswith(kind) and name != f"{kind}-0"}
    return {"pid": pids.get(f"{kind}-0")} | ({"others": others} if others else {})
