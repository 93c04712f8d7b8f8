"""The error of an order-processor that cannot start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.pki import authority


@pytest.mark.parametrize("variable", ["MONGODB_CA_FILE", "KAFKA_CA_FILE"])
def test_empty_ca_file_stops_the_start_with_one_sentence(tmp_path: Path, variable: str) -> None:
    (tmp_path / "ca.pem").write_bytes(authority())
    (tmp_path / "empty.pem").touch()
    environ = {
        "PATH": os.environ["PATH"],
        "MONGODB_URI": "mongodb://user:s3cret@localhost:1",
        "MONGODB_CA_FILE": str(tmp_path / "ca.pem"),
        "KAFKA_BOOTSTRAP_SERVERS": "localhost:1",
        "KAFKA_USERNAME": "order-processor",
        "KAFKA_PASSWORD": "s3cret",
        "KAFKA_CA_FILE": str(tmp_path / "ca.pem"),
        "ADMIN_BIND": "127.0.0.1:0",
        variable: str(tmp_path / "empty.pem"),
    }
    process = subprocess.run(
        [sys.executable, "-m", "order_processor.main"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert process.returncode == 2
    assert process.stderr.startswith(f"order-processor cannot start:\n{variable}: ")
    assert "Traceback" not in process.stdout + process.stderr
