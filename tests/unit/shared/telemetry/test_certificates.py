"""The metric that shows when certificates expire."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from shared.telemetry.certificates import SYSTEM_STORE, expiry, watch
from shared.telemetry.metrics import CertificateMetrics
from support.pki import authority

SOON, LATE = datetime(2031, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)


def test_earliest_expiry_in_the_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority(LATE) + authority(SOON))

    assert expiry(path) == SOON.timestamp()


def test_expiry_of_a_renewed_file_is_shown_without_a_restart(tmp_path: Path) -> None:
    path, registry = tmp_path / "ca.pem", CollectorRegistry()
    path.write_bytes(authority(SOON))
    watch(CertificateMetrics(registry), {"mongodb-ca": path})

    def shown() -> float | None:
        return registry.get_sample_value("retail_certificate_expiry_timestamp_seconds", {"name": "mongodb-ca"})

    assert shown() == SOON.timestamp()
    path.write_bytes(authority(LATE))
    assert shown() == LATE.timestamp()


def test_ca_store_of_the_operating_system_is_not_watched() -> None:
    registry = CollectorRegistry()
    watch(CertificateMetrics(registry), {"mongodb-ca": SYSTEM_STORE})

    assert registry.get_sample_value("retail_certificate_expiry_timestamp_seconds", {"name": "mongodb-ca"}) is None


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_unreadable_file_is_shown_as_expired(tmp_path: Path, content: bytes | None) -> None:
    path, registry = tmp_path / "ca.pem", CollectorRegistry()
    if content is not None:
        path.write_bytes(content)
    watch(CertificateMetrics(registry), {"mongodb-ca": path})

    assert registry.get_sample_value("retail_certificate_expiry_timestamp_seconds", {"name": "mongodb-ca"}) == 0
