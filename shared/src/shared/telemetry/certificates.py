"""The expiry of the certificates that a process relies on, as a metric that is read at every scrape."""

import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from shared.telemetry import log
from shared.telemetry.metrics import CertificateMetrics

SYSTEM_STORE = Path("/etc/ssl/certs/ca-certificates.crt")
UNREADABLE = 0.0
logger = log.get(__name__)


def watch(metrics: CertificateMetrics, files: Mapping[str, Path]) -> None:
    """Export, for each name, the earliest expiry of a CA certificate in its PEM file, as Unix time.

    The file is read at each scrape, so a renewed one shows without a restart. A file that cannot be read, or contains
    no CA certificate, shows as 0, so that every expiry alert fires. The operating system's CA store is left out: at any
    time some of its many certificates are expired.
    """
    for name, path in files.items():
        if path == SYSTEM_STORE:
            continue
        metrics.expiry.labels(name).set_function(partial(_expiry_or_zero, name, path))


def expiry(path: Path) -> float:
    """Return the earliest expiry of a CA certificate in a PEM file, as Unix time; raise OSError or ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    ends = [ssl.cert_time_to_seconds(str(c["notAfter"])) for c in context.get_ca_certs()]
    if not ends:
        raise ValueError("the file contains no CA certificate")
    return float(min(ends))


def _expiry_or_zero(name: str, path: Path) -> float:
    try:
        return expiry(path)
    except (OSError, ValueError) as error:
        logger.warning("certificate_unreadable", certificate=name, error=str(error))
        return UNREADABLE
