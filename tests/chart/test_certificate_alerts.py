"""The certificate alerts watch every certificate that the chart requests from cert-manager."""

import re

from support import helm
from support.manifests import of_kind


def test_certificate_alerts_watch_every_certificate_of_the_chart() -> None:
    rendered = helm.rendered(helm.CHART / "ci/production-values.yaml")
    names = {certificate["metadata"]["name"] for certificate in of_kind(rendered, "Certificate")}
    (rules,) = of_kind(rendered, "PrometheusRule")
    patterns = set(re.findall(r'[{]name=~"(.+?)"', str(rules)))

    assert len(names) > 1
    assert len(patterns) == 1
    assert {name for name in names for pattern in patterns if re.fullmatch(pattern, name)} == names
