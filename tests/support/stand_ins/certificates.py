"""The work of cert-manager: for each Certificate of the namespace, the Secret that it names."""

from support.stand_ins import kube, pki

LABELS = {"controller.cert-manager.io/fao": "true"}


def reconcile(renew: frozenset[str] = frozenset()) -> list[str]:
    """Issue missing and changed Certificates, and those named in `renew`; return the names of the issued ones."""
    issuers = {issuer["metadata"]["name"]: issuer["spec"] for issuer in kube.list_of("issuers.cert-manager.io")}
    certificates = kube.list_of("certificates.cert-manager.io")
    issued = []
    for certificate in sorted(certificates, key=lambda c: not c["spec"].get("isCA", False)):
        spec, name = certificate["spec"], certificate["metadata"]["name"]
        if name in renew or not _is_current(spec):
            kube.apply([_secret(name, spec, _issue(name, spec, issuers))])
            issued.append(name)
        kube.set_ready("certificates.cert-manager.io", name)
    return issued


def _names(spec: kube.Resource) -> tuple[str, ...]:
    return (*spec.get("dnsNames", []), *spec.get("ipAddresses", []))


def _is_current(spec: kube.Resource) -> bool:
    data = kube.secret_data(spec["secretName"])
    return data is not None and pki.names_of(data["tls.crt"]) == set(_names(spec))


def _issue(name: str, spec: kube.Resource, issuers: dict[str, kube.Resource]) -> tuple[pki.Pair, str]:
    issuer = issuers[spec["issuerRef"]["name"]]
    if "selfSigned" in issuer:
        pair = pki.authority(spec["commonName"])
        return pair, pair.certificate
    data = kube.secret_data(issuer["ca"]["secretName"])
    if data is None:
        raise RuntimeError(f"Certificate {name}: the issuer's Secret {issuer['ca']['secretName']} does not exist")
    parent = pki.Pair(data["tls.crt"], data["tls.key"])
    return pki.leaf(_names(spec)[0], parent, names=_names(spec)), parent.certificate


def _secret(name: str, spec: kube.Resource, issued: tuple[pki.Pair, str]) -> kube.Resource:
    pair, ca = issued
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": ca}
    if {"type": "CombinedPEM"} in spec.get("additionalOutputFormats", []):
        data["tls-combined.pem"] = pair.key + pair.certificate
    made = kube.secret(spec["secretName"], data, LABELS, "kubernetes.io/tls")
    made["metadata"]["annotations"] = {"cert-manager.io/certificate-name": name}
    return made
