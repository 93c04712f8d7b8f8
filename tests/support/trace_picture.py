"""The picture of the trace of an order whose event the sweep published, because Kafka hung when it was placed."""

import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from local_stack.catalog import SERVICES
from local_stack.stack import Stack, StackOptions
from observability.pictures import FOLDER
from observability.trace import Bar, picture
from shared.ordering.events import TOPIC
from support.customer import Customer, https
from support.otlp_receiver import ReceivedSpan, receiver

FILE = FOLDER / "trace-by-the-sweep.svg"
SHOWN = {
    "http.response.status_code": "status",
    "retail.outbox.path": "path",
    "retail.outbox.attempt": "attempt",
    "error.type": "error",
    "messaging.destination.partition.id": "partition",
    "messaging.kafka.offset": "offset",
    "retail.result": "result",
}


def draw() -> Path:
    """Place an order whose event the sweep publishes, wait until it is PROCESSED, and draw its trace."""
    with tempfile.TemporaryDirectory() as folder, receiver() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_SAMPLER_ARG": "1"}
        options = StackOptions(
            root=Path(folder) / "stack",
            ports="free",
            counts={"order-api": 1},
            extra_env=dict.fromkeys(SERVICES, environ),
        )
        with Stack(options, say=print) as stack, https(stack.base_url, stack.ca) as http:
            customer = Customer(http)
            stack.signal("kafka-0", signal.SIGSTOP)
            order_id = customer.place()
            collector.wait_for("POST /order", order_id)
            failed = f"send {TOPIC}"
            collector.wait_for(failed, order_id, seconds=60)  # the fast path gives up after 20 s
            time.sleep(2)
            stack.signal("kafka-0", signal.SIGCONT)
            customer.processed(order_id, seconds=120)
            collector.wait_for(f"process {TOPIC}", order_id)
            collector.wait_for(failed, order_id, count=2)
            spans = [span for span in collector.of_order(order_id) if not span.name.startswith("GET ")]
    FILE.write_text(picture(f"Trace {spans[0].trace_id}: Kafka hangs when the order is placed", bars(spans)))
    return FILE


def bars(spans: Sequence[ReceivedSpan]) -> list[Bar]:
    """Return the spans of one trace as bars."""
    by_id = {span.span_id: span for span in spans}

    def depth(span: ReceivedSpan) -> int:
        return 1 + depth(by_id[span.parent]) if span.parent in by_id else 0

    return [
        Bar(
            label=f"{span.service}: {span.name}",
            note=", ".join(
                f"{word} {span.attributes[name]}" for name, word in SHOWN.items() if name in span.attributes
            ),
            start=span.start / 1e9,
            end=span.end / 1e9,
            depth=depth(span),
            has_failed=span.has_failed,
        )
        for span in spans
    ]


if __name__ == "__main__":
    print(draw())
