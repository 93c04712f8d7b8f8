"""Default ports, port offsets, and the error that advises another offset."""

import socket
from pathlib import Path

import pytest

from local_stack import main, ports
from local_stack.errors import StackError
from local_stack.options import StackOptions

ROOM = {
    "proxy": 1,
    "console": 1,
    "prometheus": 1,
    "grafana": 1,
    "zipkin": 1,
    "otlp-bridge": 1,
    "mongodb": 3,
    "kafka": 3,
    "kafka-controller": 3,
    "kafka-internal": 3,
}


def used(offset: int) -> set[int]:
    """Return every port that the largest stack uses at this offset."""
    return {first + n for name, first in ports.fixed(offset).items() for n in range(ROOM.get(name, ports.REPLICAS))}


def test_each_part_has_its_own_ports() -> None:
    assert len(used(0)) == 18 + len(ports.OF_SERVICES) * ports.REPLICAS


@pytest.mark.parametrize("offset", range(1000, ports.HIGHEST_OFFSET + 1, 1000))
def test_stacks_with_offsets_1000_apart_share_no_port(offset: int) -> None:
    assert not used(0) & used(offset)


def test_highest_offset_gives_valid_ports() -> None:
    assert max(used(ports.HIGHEST_OFFSET)) < 65536


@pytest.mark.parametrize("offset", ["-1", "38001", "many", "1.5", ""])
def test_bad_offset_is_a_usage_error(offset: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main.main(["run", "--port-offset", offset])

    assert stop.value.code == 2
    assert f"must be a whole number from 0 to 38000, not {offset!r}" in capsys.readouterr().err


def test_error_of_a_used_port_advises_another_offset(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        options = StackOptions(root=tmp_path, ports=2000)

        with pytest.raises(StackError, match=rf"port {port}, which proxy needs, .*: make run PORT_OFFSET=3000"):
            options.check_ports(dict.fromkeys(ports.USUAL, 0) | {"proxy": port})
