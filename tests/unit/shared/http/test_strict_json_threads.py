"""Parsed documents converted to a model by many threads at once."""

import subprocess
import sys

# With msgspec 0.22 this program is killed by SIGSEGV within the first few models.
PROGRAM = """
import sys
import threading
from typing import Annotated
from msgspec import Meta, Struct
from shared.http.strict_json import convert

sys.setswitchinterval(1e-6)
converted = []


def new_model():
    class Item(Struct):
        item: Annotated[str, Meta(min_length=1)]
        quantity: Annotated[int, Meta(ge=1)] = 1

    class Order(Struct):
        userid: str
        items: Annotated[list[Item | str], Meta(min_length=1)]
        labels: dict[str, int] | None = None

    return Order


def convert_at_once(model, barrier):
    barrier.wait()
    converted.append(convert({"userid": "alice", "items": ["pear", {"item": "apple"}]}, model).items[1].item)


for _ in range(100):
    arguments = new_model(), threading.Barrier(8)
    threads = [threading.Thread(target=convert_at_once, args=arguments) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(*converted)
"""


def test_first_conversions_to_a_model_run_in_many_threads() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == ["apple"] * 800
