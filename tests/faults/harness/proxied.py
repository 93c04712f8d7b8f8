"""A stack whose services reach MongoDB and Kafka through proxies that can disturb connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from faults.harness.proxy import Proxy
from local_stack import secret_files, stack
from local_stack.kafka import Kafka
from local_stack.mongod import MongoDB
from local_stack.ports import HOST


class ProxiedMongoDB(MongoDB):
    """A replica set of one member whose configured address is that of its proxy."""

    def __init__(self, *arguments: Any, port: int, **options: Any) -> None:
        super().__init__(*arguments, port=port, **options)
        self.proxies = [Proxy(port)]

    @property
    def hosts(self) -> list[str]:
        return [f"{HOST}:{proxy.port}" for proxy in self.proxies]


class ProxiedKafka(Kafka):
    """Brokers that advertise the addresses of their proxies."""

    def __init__(self, *arguments: Any, ports: Any, brokers: int, **options: Any) -> None:
        super().__init__(*arguments, ports=ports, brokers=brokers, **options)
        self._first = ports["kafka"]
        self.proxies = [Proxy(ports["kafka"] + n) for n in range(brokers)]

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{proxy.port}" for proxy in self.proxies)

    def _write_config(self, node: int) -> Path:
        path = super()._write_config(node)
        own, advertised = f"{HOST}:{self._first + node}", f"{HOST}:{self.proxies[node].port}"
        name = "advertised.listeners=CLIENT://"
        text = path.read_text(encoding="utf-8")
        assert name + own in text
        return secret_files.write(path, text.replace(name + own, name + advertised))


@contextmanager
def proxied() -> Iterator[None]:
    """Within this context, stacks are started with proxies."""
    with patch.object(stack, "MongoDB", ProxiedMongoDB), patch.object(stack, "Kafka", ProxiedKafka):
        yield
