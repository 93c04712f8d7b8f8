"""A gauge that shows no sample instead of an old value, and the metrics that every registry has."""

from prometheus_client import CollectorRegistry, Counter, generate_latest

from shared.telemetry.fresh_gauge import FreshGauge
from shared.telemetry.registry import new_registry
from support.clock import Clock


def test_value_is_shown_until_it_is_too_old() -> None:
    clock, registry = Clock(), CollectorRegistry()
    gauge = FreshGauge("depth", "Depth.", registry=registry, max_age=10, clock=clock.seconds)
    before = registry.get_sample_value("depth")
    gauge.set(0)
    clock.advance(10)
    fresh = registry.get_sample_value("depth")
    clock.advance(1)

    assert (before, fresh, registry.get_sample_value("depth")) == (None, 0.0, None)


def test_new_values_replace_all_earlier_ones() -> None:
    registry = CollectorRegistry()
    gauge = FreshGauge("depth", "Depth.", ["lake"], registry=registry, max_age=10)
    gauge.replace({("one",): 1.0, ("two",): 2.0})
    gauge.replace({("two",): 3.0})

    assert [registry.get_sample_value("depth", {"lake": lake}) for lake in ("one", "two")] == [None, 3.0]


def test_cleared_gauge_keeps_its_help_and_shows_no_sample() -> None:
    registry = CollectorRegistry()
    gauge = FreshGauge("depth", "Depth.", registry=registry, max_age=10)
    gauge.set(1)
    gauge.clear()

    assert generate_latest(registry).decode() == "# HELP depth Depth.\n# TYPE depth gauge\n"


def test_registry_has_build_info_and_no_created_series() -> None:
    registry = new_registry("order-api")
    Counter("retail_things_total", "Things.", registry=registry).inc()
    text = generate_latest(registry).decode()

    assert 'retail_build_info{service="order-api",version="' in text
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text
    assert "_created" not in text
