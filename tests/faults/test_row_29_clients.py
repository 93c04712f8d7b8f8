"""Rows 29 and 30: clients send the same order many times at once, or disconnect during a request."""

import asyncio
import json
import random
import socket
import ssl
import struct
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from faults.harness.load import LoadRun
from faults.harness.scale import pick
from faults.harness.system import System
from load_generator import Options
from load_generator.client import Buyer, LoadClient
from load_generator.ledger import Ledger
from load_generator.placer import generate_order
from load_generator.responses import Answer, classify_response
from support.customer import Customer, https

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def test_row_29_one_key_many_requests(small: System, figures: dict[str, Any]) -> None:
    """Two hundred parallel requests with one key make one order; another body gets 422; users do not share keys."""
    keys, copies = pick((1_000, 200), (25, 200))
    found = asyncio.run(_storm(small, keys, copies))

    mine = list(small.orders.find({"userid": {"$regex": "^storm-"}}))
    figures |= {"keys": keys, "requests": keys * (copies + 2), "orders": len(mine)}
    assert len(mine) == 2 * keys  # each of the two users has one order per key
    assert all(len(references) == 1 for references, _, _ in found)
    assert all(other == 422 for _, other, _ in found)
    assert all(stranger not in references for references, _, stranger in found)


def test_row_30_clients_hang_up(small: System, figures: dict[str, Any]) -> None:
    """The client hangs up after a random byte; a retry with the same key settles the order and never makes two."""
    random_ = random.Random(small.seed)
    count = pick(2_000, 150)
    ledger = small.folder / "ledgers" / f"row-30-{time.time_ns()}"
    run = LoadRun(ledger, time.time())
    with https(small.stack.base_url, small.stack.ca) as http, Ledger(ledger) as book:
        customer = Customer(http)
        book.begin(run="row-30", seed=small.seed, users=[customer.name])
        for number in range(count):
            key, body = f"hang-up-{number}", {"userid": customer.name} | generate_order(random_, 3)
            book.sent(key=key, user=customer.name, body=body)
            _hang_up(small, customer, key, body, random_)
            book.answered(key=key, at=time.time(), ms=0, answer=Answer("unknown"))
        left = small.orders.count_documents({"userid": customer.name})
        for entry in list(run.account().entries.values()):
            body = _body(ledger, entry.key)
            reply = http.post("/order", json=body, headers=customer.headers | {"Idempotency-Key": entry.key})
            answer = classify_response(reply.status_code, reply.headers, reply.content)
            book.answered(key=entry.key, at=time.time(), ms=0, answer=answer)
    ended_at = time.time()

    figures |= {"hang_ups": count, "orders_before_the_retry": left}
    small.prove(run, figures=figures, healed_at=ended_at, within=60)
    assert 0 < left < count  # proves that only some of the requests arrived completely


async def _storm(system: System, keys: int, copies: int) -> list[tuple[set[str | None], int, str | None]]:
    """Return for each key: the answered references, the status of another body, the reference of another user."""
    random_ = random.Random(system.seed)
    options = Options(
        base_url=system.stack.base_url, ca_file=Path(system.stack.ca), ledger=Path("none"), count=1, in_flight=200
    )
    stamp = time.time_ns()
    async with LoadClient(options) as client:
        buyers = [Buyer(f"storm-{stamp}-{n}", "a good long word") for n in (0, 1)]
        for buyer in buyers:
            await client.register(buyer, "a good long word")

        async def post(buyer: Buyer, key: str, content: dict[str, Any]) -> Answer:
            headers = await buyer.authorization(client) | {"Idempotency-Key": key}
            for _ in range(20):
                reply = await client.send("POST", "/order", headers=headers, document={"userid": buyer.name} | content)
                answer = classify_response(reply.status, reply.headers, reply.body)
                assert answer.contract_violation is None
                if answer.outcome in {"ok", "refused"}:
                    return answer
                await asyncio.sleep(0.2)
            raise AssertionError("a request got no final response")

        found = []
        for number in range(keys):
            key, content = f"key-{number}", generate_order(random_, 2)
            answers = await asyncio.gather(*(post(buyers[0], key, content) for _ in range(copies)))
            other = await post(buyers[0], key, generate_order(random_, 5))
            stranger = await post(buyers[1], key, content)
            assert Counter(answer.replayed for answer in answers)[False] <= 1
            found.append(({answer.reference for answer in answers}, other.status or 0, stranger.reference))
        return found


def _hang_up(system: System, customer: Customer, key: str, body: dict[str, Any], random_: random.Random) -> None:
    """Send the request up to a random byte, or completely, then close or reset the connection."""
    address = urlsplit(system.stack.base_url)
    text = json.dumps(body).encode()
    head = (
        f"POST /order HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {customer.headers['Authorization']}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    request = head.encode() + text
    cut = len(request) if random_.random() < 0.5 else random_.randrange(1, len(request))
    context = ssl.create_default_context(cafile=system.stack.ca)
    with socket.create_connection((address.hostname or "", address.port or 443), timeout=10) as plain:
        line = context.wrap_socket(plain, server_hostname=address.hostname)
        line.sendall(request[:cut])
        time.sleep(random_.choice([0, 0, 0.002, 0.01]))
        if random_.random() < 0.5:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        line.close()


def _body(ledger: Path, key: str) -> Any:
    for line in ledger.read_text(encoding="utf-8").splitlines():
        if f'"sent":"{key}"' in line:
            return json.loads(line)["body"]
    raise LookupError(key)
