"""A gunicorn worker whose threads wait for requests themselves.

gunicorn's own threaded worker passes each request from its main loop to a pool of threads, and the connection back to
the main loop: two thread switches per request, which cost more than reading the request. Here every thread waits for
the next readable connection and serves it. An idle connection occupies no thread; the main thread only accepts
connections, closes idle ones, and stops the worker.
"""

import errno
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gunicorn import http, util  # type: ignore[import-untyped]
from gunicorn.http import wsgi  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

# A connection is closed when, for this long, its client sends nothing of an unfinished request, or reads nothing of the
# response. A request must also arrive completely within this time.
TRANSFER_SECONDS = 10.0
STOP_LINGER_SECONDS = 2.0  # how long a stopping worker still serves idle connections: a request may be on its way
# How long input is still read after the last response. Closing with unread input would reset the connection, and the
# client could lose the response.
CLOSE_SECONDS = 1.0
LOOP_SECONDS = 1.0
STOP_POLL_SECONDS = 0.05
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}  # no descriptor or memory for one more connection


class Connection:
    """A client's connection. It belongs to one thread at a time; between requests it belongs to the poller."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        sock.settimeout(None)  # blocking: with a timeout, Python would call poll() before each recv() and send()
        limit = struct.pack("ll", int(TRANSFER_SECONDS), int(TRANSFER_SECONDS % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.sock = sock
        self.client = client
        self.server = server
        self.parser = http.get_parser(cfg, self, client)
        self.idle_until: float | None = None  # None while a thread serves the connection
        self._read_until = 0.0

    def recv(self, size: int) -> bytes:
        """Return the next part of the request, for gunicorn's parser; raise TimeoutError if it is late."""
        if time.monotonic() > self._read_until:
            raise TimeoutError("the request took too long to arrive")
        with _timeouts():
            return self.sock.recv(size)

    @property
    def has_read_ahead(self) -> bool:
        """Whether a part of the next request has been read already, so that the poller would not see it."""
        return bool(self.parser.unreader.buf.getvalue())

    def begin(self) -> None:
        """Start the time limit for reading a request."""
        self.idle_until = None
        self._read_until = time.monotonic() + TRANSFER_SECONDS

    def end(self) -> None:
        """Shut down the reading side: the thread that waits for data of this connection then reads an end of file."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)


@contextmanager
def _timeouts() -> Iterator[None]:
    """Convert the BlockingIOError of a blocking socket with a time limit into TimeoutError."""
    try:
        yield
    except BlockingIOError:
        raise TimeoutError("the client sent or read nothing for too long") from None


class LeaderFollowerWorker(Worker):  # type: ignore[misc]
    """Serves up to `worker_connections` connections with `threads` threads. Linux only (epoll)."""

    alive: bool  # False once the worker must stop

    def run(self) -> None:
        """Accept connections until a signal or the end of the parent process, then stop gracefully."""
        self._poller = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._poller.register(self._wake, select.EPOLLIN)  # level-triggered: once written, it wakes every thread
        self._stopped = False
        threads = [threading.Thread(target=self._serve, name=f"http-{n}", daemon=True) for n in range(self.cfg.threads)]
        for thread in threads:
            thread.start()
        for listener in self.sockets:
            listener.settimeout(0)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            self._accept_waiting()
            self._end_idle(time.monotonic())
            self._wait()
        self.alive = False
        self._stop()
        self._stopped = True
        os.eventfd_write(self._wake, 1)
        for thread in threads:
            thread.join(STOP_POLL_SECONDS)

    def _wait(self) -> None:
        """Wait up to 1 s for a new connection or a signal; with too many connections, up to 0.05 s for a signal."""
        is_full = len(self._connections) >= self.cfg.worker_connections
        waited = [self.PIPE[0]] if is_full else [*self.sockets, self.PIPE[0]]
        readable, _, _ = select.select(waited, [], [], STOP_POLL_SECONDS if is_full else LOOP_SECONDS)
        if self.PIPE[0] in readable:
            with suppress(BlockingIOError):
                os.read(self.PIPE[0], 4096)

    def _accept_waiting(self) -> None:
        for listener in self.sockets:
            while len(self._connections) < self.cfg.worker_connections:
                try:
                    sock, client = listener.accept()
                except BlockingIOError:
                    break
                except ConnectionAbortedError:
                    continue
                except OSError as error:
                    if error.errno not in EXHAUSTED:
                        raise
                    self.log.warning("Cannot accept connections for now: %s", error)
                    time.sleep(LOOP_SECONDS)  # meanwhile the threads serve and close the open connections
                    return
                connection = Connection(self.cfg, sock, client, listener.getsockname())
                connection.idle_until = time.monotonic() + TRANSFER_SECONDS
                self._connections[sock.fileno()] = connection
                self._poller.register(sock.fileno(), select.EPOLLIN | select.EPOLLONESHOT)

    def _end_idle(self, now: float) -> None:
        for connection in list(self._connections.values()):
            idle_until = connection.idle_until  # read once: another thread may change it meanwhile
            if idle_until is not None and idle_until <= now:
                connection.end()

    def _stop(self) -> None:
        """Serve requests that have arrived or are on the way, with `Connection: close`, up to the graceful timeout."""
        self._accept_waiting()
        for listener in self.sockets:
            listener.close()
        started = time.monotonic()
        while self._connections and time.monotonic() < started + self.cfg.graceful_timeout:
            self.notify()
            if time.monotonic() >= started + STOP_LINGER_SECONDS:
                self._end_idle(float("inf"))
            time.sleep(STOP_POLL_SECONDS)

    def _serve(self) -> None:
        """Serve readable connections, one at a time, until the worker has stopped."""
        while True:
            ((fd, _),) = self._poller.poll(maxevents=1)
            if self._stopped:
                return
            connection = self._connections[fd]
            try:
                is_kept = self._serve_requests(connection)
                if is_kept:
                    connection.idle_until = time.monotonic() + self.cfg.keepalive
                    self._poller.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)
            except Exception:
                self.log.exception("Error handling connection")
                is_kept = False
            if not is_kept:
                del self._connections[fd]  # before closing the socket: afterwards, a new one may get its number
                util.close_graceful(connection.sock, timeout=CLOSE_SECONDS)

    def _serve_requests(self, connection: Connection) -> bool:
        """Serve the request that has arrived, and the requests read with it; return whether the connection is kept."""
        while self._serve_request(connection):
            if not connection.has_read_ahead:
                return True
        return False

    def _serve_request(self, connection: Connection) -> bool:
        connection.begin()
        request = None
        try:
            request = next(connection.parser)
            return bool(self._respond(request, connection) and connection.parser.finish_body(deadline=float("inf")))
        except (StopIteration, http.errors.NoMoreData):
            pass  # the client closed the connection
        except OSError as error:
            self.log.debug("Connection lost or too slow: %s", error)
        except Exception as error:  # noqa: BLE001 - the request was malformed, or the application failed
            self.handle_error(request, connection.sock, connection.client, error)
        return False

    def _respond(self, request: Any, connection: Connection) -> bool:
        """Call the application and send its response; return whether the connection may be used again."""
        self.cfg.pre_request(self, request)
        response, environ = wsgi.create(request, connection.sock, connection.client, connection.server, self.cfg)
        environ["wsgi.multithread"] = True
        try:
            body = self.wsgi(environ, response.start_response)
            try:
                if not self.alive or len(self._connections) >= self.cfg.worker_connections:
                    response.force_close()
                with _timeouts():
                    for part in body:
                        response.write(part)
                    response.close()
            finally:
                if hasattr(body, "close"):
                    body.close()
        except OSError:
            raise
        except Exception:
            if not response.headers_sent:
                raise
            self.log.exception("Error after the start of a response")
            return False
        return not response.should_close()
