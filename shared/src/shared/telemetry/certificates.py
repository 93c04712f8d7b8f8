"""When the certificates that a process relies on end, as a metric read anew at every scrape."""

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
    """Show, for each name, when the first certificate in its PEM file ends, as Unix time.

    The file is read at the scrape, so a renewed one shows without a restart. One that cannot be read, or holds no
    certificate authority, shows as 0, which every alert on expiry takes for ended. The operating system's own store is
    left out: some of its many authorities have always ended.
    """
    for name, path in files.items():
        if path == SYSTEM_STORE:
            continue
        metrics.expiry.labels(name).set_function(partial(_shown_expiry, name, path))


def expiry(path: Path) -> float:
    """Return when the first of the authorities in a PEM file ends, Unix time; raise OSError or ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    ends = [ssl.cert_time_to_seconds(str(c["notAfter"])) for c in context.get_ca_certs()]
    if not ends:
        raise ValueError("the file holds no certificate authority")
    return float(min(ends))


def _shown_expiry(name: str, path: Path) -> float:
    try:
        return expiry(path)
    except (OSError, ValueError) as error:
        logger.warning("certificate_unreadable", certificate=name, error=str(error))
        return UNREADABLE
