"""`make pictures` draws a trace and the boards of a stack under load.

Every board is drawn while the stack is healthy. The board Orders is drawn again while Kafka hangs, and the board
Breakers again after MongoDB hung.
"""

import signal
import tempfile
import time
from pathlib import Path

from local_stack.options import Observation
from local_stack.stack import Stack, StackOptions
from observability.boards import BOARDS
from observability.boards.breakers import BREAKERS
from observability.boards.orders import ORDERS
from observability.pictures import draw
from support import trace_picture
from support.observed import load

CALM_SECONDS, OUTAGE_SECONDS, AFTER_SECONDS = 90, 45, 40


def main() -> None:
    """Run the stacks and draw the pictures."""
    print(trace_picture.draw())
    with tempfile.TemporaryDirectory() as folder:
        options = StackOptions(
            root=Path(folder) / "stack", ports="free", counts={"order-processor": 2}, observe=Observation(seconds=1)
        )
        with Stack(options, say=print) as stack, load(stack):
            time.sleep(CALM_SECONDS)
            for board in BOARDS:
                print(draw(board, stack.observer_url("prometheus"), CALM_SECONDS, board.name))
            for part in ("kafka-0", "mongodb-0"):
                stack.signal(part, signal.SIGSTOP)
                time.sleep(OUTAGE_SECONDS)
                if part == "kafka-0":
                    print(draw(ORDERS, stack.observer_url("prometheus"), CALM_SECONDS, "orders-kafka-hangs"))
                stack.signal(part, signal.SIGCONT)
                time.sleep(AFTER_SECONDS)
            seconds = OUTAGE_SECONDS + 2 * AFTER_SECONDS
            print(draw(BREAKERS, stack.observer_url("prometheus"), seconds, "breakers-mongodb-hangs"))


if __name__ == "__main__":
    main()
