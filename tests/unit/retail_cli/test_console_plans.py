"""The plan of a dry run can be confirmed once, within ten minutes; the number of stored plans is limited."""

from retail_cli.console.plans import KEPT, VALID_SECONDS, Plan, Plans

PLAN = Plan("redrive", ("o1",))


def test_plan_can_be_used_once() -> None:
    plans = Plans()
    plan_id = plans.add(PLAN)

    assert plans.take(plan_id, "redrive") == PLAN
    assert plans.take(plan_id, "redrive") is None


def test_plan_expires() -> None:
    now = 1000.0
    plans = Plans(lambda: now)
    plan_id = plans.add(PLAN)
    now += VALID_SECONDS + 1

    assert plans.take(plan_id, "redrive") is None


def test_oldest_plan_is_forgotten_beyond_the_limit() -> None:
    plans = Plans()
    ids = [plans.add(PLAN) for _ in range(KEPT + 1)]

    assert plans.take(ids[0], "redrive") is None
    assert plans.take(ids[1], "redrive") == PLAN
