"""After the start, garbage collections visit only what was created since."""

import subprocess
import sys

PROGRAM = """
import gc
from shared import garbage

before = [[] for _ in range(100)]
garbage.exempt_all()
since = [[] for _ in range(100)]
visited = {id(one) for one in gc.get_objects()}
print(len(visited & {*map(id, before)}), len(visited & {*map(id, since)}), gc.isenabled())
"""


def test_existing_objects_are_exempt_and_new_ones_are_not() -> None:
    # in a process of its own, because nothing undoes it completely
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout == "0 100 True\n"
