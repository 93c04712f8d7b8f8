"""A client of the public HTTPS API: registers users, logs in, places orders, and reads them."""

import asyncio
import base64
import json
import ssl
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

from load_generator.options import Options
from load_generator.responses import UNAUTHORIZED

FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
TOKEN_MARGIN_SECONDS = 60.0
REGISTER_SECONDS = 60.0
REGISTER_PAUSE_SECONDS = 1.0


class SystemUnavailable(Exception):  # noqa: N818 - a state of the system
    """A user could not be registered or got no token; the message is the last failure."""


class Reply(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: Any
    body: bytes


class Buyer:
    """A user, with a token that is renewed before it expires."""

    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self._credentials = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        self._token = ""
        self._until = 0.0
        self._renewing = asyncio.Lock()

    async def authorization(self, client: "LoadClient") -> dict[str, str]:
        """Return the Authorization header; raise one of FAILURES if no token is available now."""
        async with self._renewing:
            if time.monotonic() > self._until:
                reply = await client.send("GET", "/api/token", headers={"Authorization": self._credentials})
                if reply.status != 200:  # noqa: PLR2004 - HTTP's own
                    raise aiohttp.ClientError(f"GET /api/token returned {reply.status}: {reply.body[:200]!r}")
                document = json.loads(reply.body)
                self._token = document["access_token"]
                self._until = time.monotonic() + document["expires_in"] - TOKEN_MARGIN_SECONDS
        return {"Authorization": f"Bearer {self._token}"}

    def forget_token(self) -> None:
        """Forget the token, so that the next request gets a new one."""
        self._until = 0.0


class LoadClient:
    """One connection pool to one base URL. At most `in_flight` requests run at a time."""

    def __init__(self, options: Options) -> None:
        self._base = options.base_url.rstrip("/")
        self._start_seconds = options.start_seconds
        context: ssl.SSLContext | bool = True
        if options.ca_file:
            context = ssl.create_default_context(cafile=str(options.ca_file))
        self._slots = asyncio.Semaphore(options.in_flight)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context, force_close=not options.keep_alive),
            timeout=aiohttp.ClientTimeout(total=options.request_seconds),
        )

    async def send(self, method: str, path: str, *, headers: dict[str, str], document: Any = None) -> Reply:
        """Send one request exactly once; raise one of FAILURES when no complete response arrives."""
        body = None if document is None else json.dumps(document).encode()
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        async with (
            self._slots,
            self._session.request(method, self._base + path, data=body, headers=headers) as response,
        ):
            return Reply(response.status, response.headers, await response.read())

    async def get(self, buyer: Buyer, path: str) -> Reply:
        """GET as `buyer`; after a 401 once more with a new token."""
        reply = await self.send("GET", path, headers=await buyer.authorization(self))
        if reply.status == UNAUTHORIZED:
            buyer.forget_token()
            reply = await self.send("GET", path, headers=await buyer.authorization(self))
        return reply

    async def register(self, buyer: Buyer, password: str) -> None:
        """Register `buyer` and get the first token; retry every second.

        Raise SystemUnavailable if a try fails and the time is up: a minute if POST /api/users was refused, otherwise
        (no response, no token) `start_seconds`.
        """
        started = time.monotonic()
        while True:
            try:
                reply = await self.send(
                    "POST", "/api/users", headers={}, document={"username": buyer.name, "password": password}
                )
                if reply.status in {201, 409}:
                    await buyer.authorization(self)
                    return
                failure = f"POST /api/users returned {reply.status}: {reply.body[:200]!r}"
                limit = REGISTER_SECONDS
            except FAILURES as error:
                failure = f"{type(error).__name__}: {error}"
                limit = self._start_seconds
            if time.monotonic() - started + REGISTER_PAUSE_SECONDS > limit:
                raise SystemUnavailable(failure)
            await asyncio.sleep(REGISTER_PAUSE_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._session.close()
