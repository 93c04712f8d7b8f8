"""Certificates, passwords and signing keys are replaced under load; no request fails and no order is lost."""

import hashlib
import json
import ssl
import subprocess

import httpx

from support import kind, kind_load, kind_release, kind_servers, wait
from support.customer import Customer
from support.stand_ins import kube

SERVED = """
import ssl
certificate = ssl.get_server_certificate(({host!r}, {port}), timeout=10)
import hashlib; print(hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest())
"""


def in_secret(name: str) -> str:
    """Return the certificate in a Secret, as PEM."""
    data = kube.secret_data(name)
    assert data is not None
    return data["tls.crt"]


def digest(certificate: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


def mongodb_serves(fresh: str, code: str) -> bool:
    """Make mongod reload its certificate; return whether it then serves the one with the digest `fresh`.

    `code`, run in a pod of order-api, prints the digest of the certificate that mongod serves.

    The renewed certificate reaches mongod's pod after a delay, so the caller repeats this.
    """
    kind_servers.set_up_mongodb_again()
    return kind.python("deployment/retail-order-api", code, container="order-api") == fresh


def test_renewed_certificates_are_served_without_a_failed_request() -> None:
    """Certificates are renewed at 30 orders/s; the gateway, auth-api and MongoDB then serve their new ones."""
    with kind_load.running(30) as load:
        before = in_secret("gateway-tls")
        kind_servers.renew_certificates("gateway", "mongodb", "retail-order-api", "retail-auth-api")
        wait.until(lambda: in_secret("gateway-tls") != before, "a new certificate of the gateway", seconds=60, every=1)
        wait.until(
            lambda: ssl.get_server_certificate(("127.0.0.1", 8443), timeout=10) == in_secret("gateway-tls"),
            "the gateway to serve its new certificate", seconds=120, every=2,
        )  # fmt: skip
        fresh = digest(in_secret("retail-auth-api-tls"))
        code = SERVED.format(host="retail-auth-api", port=8443)
        wait.until(
            lambda: kind.python("deployment/retail-order-api", code, container="order-api") == fresh,
            "the pods to serve their new certificate", seconds=240, every=5,
        )  # fmt: skip
        fresh = digest(in_secret("mongodb-tls"))
        code = SERVED.format(host="mongodb-0.mongodb", port=27017)
        wait.until(lambda: mongodb_serves(fresh, code), "mongod to serve its new certificate", seconds=240, every=5)

    load.assert_nothing_failed()


def test_new_kafka_passwords_fail_no_request() -> None:
    """Strimzi makes new passwords for users whose Secrets are deleted; a rolling restart gives them to the pods."""
    users = ("order-api", "order-processor")
    before = {user: kube.secret_data(user) for user in users}
    with kind_load.running(30) as load:
        kind_servers.new_kafka_passwords(*users)
        for user in users:
            kind.kubectl("rollout", "restart", f"deployment/retail-{user}")
        for user in users:
            kind.rollout(user)

    load.assert_nothing_failed()
    assert all(kube.secret_data(user) != before[user] for user in users)


def published(https_client: httpx.Client) -> set[str]:
    """Return the ids of the keys that one replica of auth-api publishes."""
    return {key["kid"] for key in https_client.get("/.well-known/jwks.json").raise_for_status().json()["keys"]}


def test_key_rotation_rejects_no_valid_token(https_client: httpx.Client) -> None:
    """A new key is published first and signs later; its tokens and those of the old key are accepted."""
    keys = kube.secret_data("signing-keys")
    assert keys is not None
    old = max(keys).removesuffix(".pem")
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    with kind_release.restored(), kind_load.running(20) as load:
        kind_release.upgrade(
            f"auth.signingKid={old}"
        )  # the old key still signs, because verifiers may not know the new one yet
        patch = {"stringData": {f"{old}-next.pem": made}}
        kind.kubectl("patch", "secret", "signing-keys", "--patch-file", "/dev/stdin", stdin=json.dumps(patch))
        kind.kubectl(
            "rollout", "restart", "deployment/retail-auth-api"
        )  # faster than waiting for the Secret to reach the pods
        kind.rollout("auth-api")
        # A pod that is being replaced still serves requests for a few seconds, perhaps without the new key.
        expected = {*(name.removesuffix(".pem") for name in keys), f"{old}-next"}
        wait.until(lambda: published(https_client) == expected, "both keys to be published", seconds=60, every=1)
        first = Customer(https_client)
        kind_release.upgrade(f"auth.signingKid={old}-next")
        for _ in range(10):  # to reach both replicas of auth-api and of order-api
            Customer(https_client).place()
        first.place()

    load.assert_nothing_failed()
