"""The autoscaler adds replicas of order-api under load and removes them again; no request fails."""

import json

from support import kind, kind_load, kind_release, wait


def replicas() -> int:
    """Return the number of ready replicas of order-api."""
    deployment = json.loads(kind.kubectl("get", "deployment", "retail-order-api", "--output", "json"))
    return int(deployment["status"].get("readyReplicas", 0))


def test_order_api_scales_up_under_load_and_down_afterwards() -> None:
    """Two replicas become three at 50 orders/s, and two again at 1 order/s; no request fails."""
    with kind_release.restored():
        kind_release.upgrade(
            "orderApi.autoscaling.behavior.scaleUp.selectPolicy=Max",
            "orderApi.autoscaling.behavior.scaleDown.selectPolicy=Max",
            "orderApi.autoscaling.maxReplicas=3", "orderApi.autoscaling.targetCPUUtilizationPercentage=40",
            "orderApi.autoscaling.scaleDownStabilizationSeconds=15",
        )  # fmt: skip
        wait.until(lambda: replicas() == 2, "two replicas at rest", seconds=180, every=2)
        with kind_load.running(50) as load:
            wait.until(lambda: replicas() >= 3, "a third replica", seconds=240, every=2)
        with kind_load.running(1) as calm:
            wait.until(lambda: replicas() == 2, "two replicas again", seconds=300, every=2)

    load.assert_nothing_failed()
    calm.assert_nothing_failed()
