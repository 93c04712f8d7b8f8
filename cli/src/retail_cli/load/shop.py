"""The system seen from outside: register, log in, order, ask. Over HTTPS, by its public API alone."""

import asyncio
import base64
import json
import ssl
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

from retail_cli.load.answers import UNAUTHORIZED
from retail_cli.load.options import Options

TROUBLE = (aiohttp.ClientError, TimeoutError, OSError)
TOKEN_MARGIN_SECONDS = 60.0
TRIES_TO_BEGIN = 60


class NoSystem(Exception):  # noqa: N818 - read as a state of the world
    """The system did not let a user in, however often it was asked; the message has its last word."""


class Reply(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    headers: Any
    body: bytes


class Buyer:
    """A user with a token that is renewed before it runs out."""

    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self._credentials = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        self._token = ""
        self._until = 0.0
        self._renewing = asyncio.Lock()

    async def authorization(self, shop: "Shop") -> dict[str, str]:
        """Return the header; raise one of TROUBLE when no token can be had now."""
        async with self._renewing:
            if time.monotonic() > self._until:
                reply = await shop.send("GET", "/api/token", headers={"Authorization": self._credentials})
                if reply.status != 200:  # noqa: PLR2004 - HTTP's own
                    raise aiohttp.ClientError(f"GET /api/token answered {reply.status}: {reply.body[:200]!r}")
                document = json.loads(reply.body)
                self._token = document["access_token"]
                self._until = time.monotonic() + document["expires_in"] - TOKEN_MARGIN_SECONDS
        return {"Authorization": f"Bearer {self._token}"}

    def forget_token(self) -> None:
        """Have a new one made for the next request."""
        self._until = 0.0


class Shop:
    """One connection pool to one base URL. At most `in_flight` requests run at a time."""

    def __init__(self, options: Options) -> None:
        self._base = options.base_url.rstrip("/")
        context: ssl.SSLContext | bool = True
        if options.ca_file:
            context = ssl.create_default_context(cafile=str(options.ca_file))
        self._slots = asyncio.Semaphore(options.in_flight)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context, force_close=not options.keep_alive),
            timeout=aiohttp.ClientTimeout(total=options.request_seconds),
        )

    async def send(self, method: str, path: str, *, headers: dict[str, str], document: Any = None) -> Reply:
        """Send one request once, whatever happens; raise one of TROUBLE when no whole answer came."""
        body = None if document is None else json.dumps(document).encode()
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        async with (
            self._slots,
            self._session.request(method, self._base + path, data=body, headers=headers) as response,
        ):
            return Reply(response.status, response.headers, await response.read())

    async def ask(self, buyer: Buyer, path: str) -> Reply:
        """GET as `buyer`; a token refused is renewed once."""
        reply = await self.send("GET", path, headers=await buyer.authorization(self))
        if reply.status == UNAUTHORIZED:
            buyer.forget_token()
            reply = await self.send("GET", path, headers=await buyer.authorization(self))
        return reply

    async def admit(self, buyer: Buyer, password: str) -> None:
        """Register `buyer` and get the first token, asking again for a minute; raise NoSystem."""
        trouble = ""
        for _ in range(TRIES_TO_BEGIN):
            try:
                reply = await self.send(
                    "POST", "/api/users", headers={}, document={"username": buyer.name, "password": password}
                )
                if reply.status in {201, 409}:
                    await buyer.authorization(self)
                    return
                trouble = f"POST /api/users answered {reply.status}: {reply.body[:200]!r}"
            except TROUBLE as error:
                trouble = f"{type(error).__name__}: {error}"
            await asyncio.sleep(1)
        raise NoSystem(trouble)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._session.close()
