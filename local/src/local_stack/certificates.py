"""The local certificate authority, the servers' certificates, and the keys that sign tokens."""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_stack import secret_files

CA_DAYS = 3650
LEAF_DAYS = 397
RENEW_DAYS = 30
Key = ec.EllipticCurvePrivateKey


class Authority:
    """A certificate authority in a folder: `ca.pem` to trust, `ca.key` to sign with. The first use creates both."""

    def __init__(self, folder: Path) -> None:
        self._folder = secret_files.folder(folder)
        self.certificate = folder / "ca.pem"
        key_file = folder / "ca.key"
        if not (self.certificate.exists() and key_file.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name("Retail Orders local CA")
            certificate = (
                _builder(name, name, key, CA_DAYS)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_ca_usage(), critical=True)
                .add_extension(_only_this_machine(), critical=True)
                .sign(key, hashes.SHA256())
            )
            secret_files.write(key_file, _pem(key))
            secret_files.write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        self._key = cast("Key", loaded)  # always this kind of key, because this class wrote the file
        self._issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def issue(self, name: str) -> Path:
        """Return the file with `name`'s key (PKCS#8, first) and certificate; new ones if it expires within 30 days.

        The certificate is valid for localhost and 127.0.0.1, as server and as client; its subject is CN=`name`.
        """
        path = self._folder / f"{name}.pem"
        if not path.exists() or not self._is_valid_long_enough(path):
            key = ec.generate_private_key(ec.SECP256R1())
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            certificate = (
                _builder(_name(name), self._issuer.subject, key, LEAF_DAYS)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.SubjectAlternativeName(names), critical=False)
                .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
                )
                .sign(self._key, hashes.SHA256())
            )
            secret_files.write(path, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def _is_valid_long_enough(self, path: Path) -> bool:
        leaf = x509.load_pem_x509_certificate(path.read_bytes())
        return leaf.not_valid_after_utc - _now() > dt.timedelta(days=RENEW_DAYS)


def signing_key(folder: Path) -> None:
    """Create an Ed25519 key for tokens in `folder` if it has none. The file's name, today's date, is the key's id."""
    secret_files.folder(folder)
    if not any(folder.glob("*.pem")):
        secret_files.write(folder / f"{_now().date().isoformat()}.pem", _pem(ed25519.Ed25519PrivateKey.generate()))


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - dt.timedelta(hours=1))
        .not_valid_after(_now() + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _ca_usage() -> x509.KeyUsage:
    signs = ("key_cert_sign", "crl_sign", "digital_signature")
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    flags = dict.fromkeys(signs, True) | dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**flags)


def _only_this_machine() -> x509.NameConstraints:
    """Limit the authority to local names, so that a thief of its key cannot impersonate any other site."""
    loopback = x509.IPAddress(ipaddress.IPv4Network("127.0.0.0/8"))
    return x509.NameConstraints([x509.DNSName("localhost"), loopback], None)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: Key | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
