"""The documentation of events matches the code.

`PYTHONPATH=tests python tests/unit/shared/ordering/test_event_docs.py` generates the schema file.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from order_processor.dead_letters import MAX_BYTES
from shared.kafka_message import Message
from shared.ordering import events
from shared.ordering.dead_letter import DeadLetter, without_value
from shared.ordering.events import DEAD_LETTER_TOPIC, GROUP, TOPIC, TYPE, OrderPlaced
from support.handler import PLACED_AT, event

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "docs" / "events"
SCHEMA = FOLDER / "order-placed.schema.json"


def generated() -> dict[str, Any]:
    """Return the JSON schema that is generated from `OrderPlaced`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:retail-orders:{TYPE}",
    } | msgspec.json.schema(OrderPlaced)


@pytest.fixture(scope="module")
def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
    return document


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_committed_schema_is_generated_from_the_model() -> None:
    assert json.loads(SCHEMA.read_text()) == generated()


def test_event_satisfies_schema(validator: Draft202012Validator) -> None:
    _, value, _ = events.encode(event("1", "apple", "pear"))

    validator.validate(json.loads(value))


def test_schema_accepts_unknown_fields_and_rejects_wrong_type(validator: Draft202012Validator) -> None:
    good = json.loads(events.encode(event("1"))[1])

    validator.validate(good | {"gift": True})
    with pytest.raises(ValidationError):
        validator.validate(good | {"cost": 12.5})


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": "-1e9"},
        {"cost": "1.234"},
        {"currency": "usd"},
        {"userid": ""},
        {"orderitems": []},
        {"orderitems": [{"item": "apple"}] * 101},
        {"orderitems": [{"item": "apple", "quantity": -5}]},
        {"orderitems": [{"item": "apple", "quantity": 10_001}]},
        {"orderitems": [{"item": ""}]},
        {"orderitems": [{"item": "apple", "price": "free"}]},
    ],
)
def test_schema_rejects_what_the_api_rejects(validator: Draft202012Validator, changes: dict[str, Any]) -> None:
    good = json.loads(events.encode(event("1"))[1])

    with pytest.raises(ValidationError):
        validator.validate(good | changes)


def test_examples_of_the_events_match_their_schemas(asyncapi: dict[str, Any], validator: Draft202012Validator) -> None:
    placed, dead = (asyncapi["components"]["messages"][name] for name in ("orderPlaced", "deadLetter"))

    assert placed["examples"]
    for example in placed["examples"]:
        validator.validate(example["payload"])
        Draft202012Validator(placed["headers"]).validate(example["headers"])
    assert dead["examples"]
    for example in dead["examples"]:
        Draft202012Validator(dead["headers"]).validate(example["headers"])


def test_documented_event_headers_are_those_sent(asyncapi: dict[str, Any]) -> None:
    documented = asyncapi["components"]["messages"]["orderPlaced"]["headers"]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, _, headers = events.encode(event("1"), trace)

    sent = {name: value.decode() for name, value in headers}

    assert set(documented["properties"]) == set(sent)
    assert set(documented["required"]) == set(sent) - {"traceparent"}
    constants = {name: rule["const"] for name, rule in documented["properties"].items() if "const" in rule}
    assert constants.items() <= sent.items()


def test_documented_dead_letter_headers_are_those_sent(asyncapi: dict[str, Any]) -> None:
    documented = asyncapi["components"]["messages"]["deadLetter"]["headers"]
    letter = DeadLetter(Message(TOPIC, 0, 0, None, None, []), ValueError(), 1, PLACED_AT, PLACED_AT)

    sent = [name for name, _ in without_value(letter)["headers"]]

    assert set(documented["properties"]) == set(sent)
    assert documented["required"] == sent[:-2]


def test_documented_topics_and_limits_match_code_and_manifests(asyncapi: dict[str, Any]) -> None:
    placed, dead = asyncapi["channels"]["ordersPlaced"], asyncapi["channels"]["deadLetters"]
    resources = yaml.safe_load_all((ROOT / "k8s" / "kafka" / "topics.yaml").read_text())
    topics = {resource["metadata"]["name"]: resource["spec"] for resource in resources}

    assert (placed["address"], dead["address"]) == (TOPIC, DEAD_LETTER_TOPIC)
    assert asyncapi["operations"]["processOrder"]["bindings"]["kafka"]["groupId"]["const"] == GROUP
    assert asyncapi["components"]["messages"]["orderPlaced"]["name"] == TYPE
    assert placed["bindings"]["kafka"]["partitions"] == topics[TOPIC]["partitions"]
    for channel in (placed, dead):
        written = dict(channel["bindings"]["kafka"]["topicConfiguration"])
        written["cleanup.policy"] = ",".join(written["cleanup.policy"])
        config = topics[channel["address"]]["config"]
        assert {name: str(config[name]) for name in written} == {name: str(value) for name, value in written.items()}
    assert dead["bindings"]["kafka"]["topicConfiguration"]["max.message.bytes"] == MAX_BYTES


def test_every_reference_in_the_event_docs_resolves(asyncapi: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [node["$ref"]] if "$ref" in node else [r for child in node.values() for r in references(child)]
        return [r for child in node for r in references(child)] if isinstance(node, list) else []

    def exists(reference: str) -> bool:
        if not reference.startswith("#/"):
            return (FOLDER / reference).is_file()
        node: Any = asyncapi
        for step in reference[2:].split("/"):
            node = node.get(step, {})
        return bool(node)

    found = references(asyncapi)

    assert len(found) >= 6
    assert all(exists(reference) for reference in found)


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(generated(), indent=2, ensure_ascii=False) + "\n")
