"""The order in which a stack starts its parts."""

from pathlib import Path
from typing import Any

import pytest

from local_stack import prometheus
from local_stack.catalog import CONSUMERS, SERVICES
from local_stack.options import Observation, StackOptions
from local_stack.stack import Stack, StackError


def test_consumers_start_before_prometheus_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {service: int(service in CONSUMERS) for service in SERVICES}
    stack = Stack(StackOptions(root=tmp_path, brokers=0, mongo_members=0, counts=counts, observe=Observation()))
    started: list[str] = []

    def download(*_: Any, **__: Any) -> None:
        started.extend(stack.parts)
        raise StackError("the download failed")

    monkeypatch.setattr(prometheus, "parts", download)
    with pytest.raises(StackError, match="the download failed"):
        stack.__enter__()

    assert started == ["order-processor-0"]
