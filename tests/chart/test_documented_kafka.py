"""The commands in docs/kubernetes.md for a Kafka without Strimzi create the topics and rights of k8s/kafka."""

import itertools
import shlex
from typing import Any

import yaml

from support import helm


def commands(verb: str) -> list[tuple[str, list[str]]]:
    """Return name and options of each call of the shell function `verb`, `topic` or `allow`, in docs/kubernetes.md."""
    lines = (helm.ROOT / "docs/kubernetes.md").read_text(encoding="utf-8").splitlines()
    words = [shlex.split(line) for line in lines if line.startswith(f"{verb} ") and " --" in line]
    return [(name, options) for _, name, *options in words]


def resources(file: str) -> dict[str, Any]:
    """Return the specs of the resources in a file of k8s/kafka, by resource name."""
    text = (helm.ROOT / "k8s/kafka" / file).read_text(encoding="utf-8")
    return {resource["metadata"]["name"]: resource["spec"] for resource in yaml.safe_load_all(text)}


def values(options: list[str], wanted: str) -> list[str]:
    return [value for option, value in itertools.pairwise(options) if option == wanted]


def right(options: list[str]) -> dict[str, Any]:
    """Convert the options of an `allow` call to the form of an ACL in k8s/kafka/users.yaml."""
    resource = {"type": options[0].removeprefix("--")}
    if resource["type"] != "cluster":
        kind = "prefix" if "prefixed" in options else "literal"
        resource |= {"name": options[1], "patternType": kind}
    return {"resource": resource, "operations": values(options, "--operation")}


def test_documented_topics_match_the_resources() -> None:
    made = {
        name: {
            "partitions": int(values(options, "--partitions")[0]),
            "replicas": int(values(options, "--replication-factor")[0]),
            "config": dict(setting.split("=") for setting in values(options, "--config")),
        }
        for name, options in commands("topic")
    }

    assert made == {
        name: spec | {"config": {key: str(value) for key, value in spec["config"].items()}}
        for name, spec in resources("topics.yaml").items()
    }


def test_documented_rights_match_the_resources() -> None:
    users = resources("users.yaml")
    allowed = {user: [right(options) for name, options in commands("allow") if name == user] for user in users}

    assert {name for name, _ in commands("allow")} == set(users)
    for user, spec in users.items():
        assert sorted(allowed[user], key=str) == sorted(spec["authorization"]["acls"], key=str)
