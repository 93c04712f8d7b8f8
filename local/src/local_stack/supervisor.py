"""Keeps parts running: starts, watches, restarts with back-off, and stops them. No part outlives the supervisor."""

import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import StackError
from local_stack.process import Part, Process
from local_stack.reaper import Reaper

BACKOFF_FIRST, BACKOFF_LAST = 0.5, 5.0
STABLE_SECONDS = 10.0
EARLY_DEATHS = 3
POLL_SECONDS = 0.1


@dataclass
class _State:
    part: Part
    wanted: bool = False
    restart: bool = True
    process: Process | None = None
    started: float = 0.0
    due: float = 0.0
    delay: float = BACKOFF_FIRST
    deaths: int = 0  # since the last `start`, or since `await_ready` found the part ready
    kill_at: float = float("inf")


class Supervisor:
    """One thread starts all processes and lives until `close`, because its end would kill them (parent-death signal).

    Every method may be called from any thread. `on_change` is called after each start and death of a process, from the
    supervisor's thread; `say` is called with a sentence for a person. `lock` is held until the last process is gone,
    even if the supervisor is killed; then `file` is removed.
    """

    def __init__(self, *, lock: int, file: Path, on_change: Callable[[], None], say: Callable[[str], None]) -> None:
        self._reaper = Reaper(lock, file)
        self._on_change = on_change
        self._say = say
        self._states: dict[str, _State] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def add(self, parts: Iterable[Part]) -> None:
        """Register parts. `start` starts them."""
        with self._changed:
            self._states.update({part.name: _State(part) for part in parts})

    def start(self, *names: str) -> None:
        """Start the parts, and restart them when they die. Does not wait until they are ready."""
        with self._changed:
            for state in map(self._state, names):
                state.wanted, state.restart = True, True
                state.due, state.delay, state.deaths = time.monotonic(), BACKOFF_FIRST, 0
        self._wake()
        self._await(lambda: all(self._states[name].process or self._states[name].deaths for name in names), 10)

    def stop(self, *names: str, seconds: float = 30) -> None:
        """Stop the parts, all at once, and do not restart them. One that still runs after `seconds` is killed."""
        with self._changed:
            for state in map(self._state, names):
                state.wanted = False
                state.kill_at = time.monotonic() + seconds
                if state.process:
                    state.process.send(state.part.stop_signal)
        self._wake()
        self._await(lambda: not any(self._states[name].process for name in names), seconds + 5)

    def kill(self, name: str) -> None:
        """Kill the part's process with SIGKILL, and wait for its death. `restart_policy` decides about a restart."""
        with self._changed:
            process = self._state(name).process
            if process:
                process.send(signal.SIGKILL)
        self._await(lambda: self._states[name].process is not process or process is None, 10)

    def signal(self, name: str, signum: signal.Signals) -> None:
        """Send a signal to all processes of the part (SIGSTOP and SIGCONT make it hang and continue)."""
        with self._changed:
            process = self._state(name).process
            if process:
                process.send_all(signum)

    def restart_policy(self, name: str, *, enabled: bool) -> None:
        """Set whether the part is restarted when it dies."""
        with self._changed:
            self._state(name).restart = enabled
        self._wake()

    def pids(self) -> Mapping[str, int]:
        """Return the process id of every part that runs."""
        with self._changed:
            return {name: state.process.pid for name, state in self._states.items() if state.process}

    def await_ready(self, *names: str, seconds: float) -> None:
        """Wait until each part is ready. StackError with the end of the log if one is late or keeps dying."""
        deadline = time.monotonic() + seconds
        for name in names:
            state = self._state(name)
            while not (state.process and state.part.ready()):
                if state.deaths >= EARLY_DEATHS:
                    raise StackError(f"{name} exits immediately.{_log_tail(state.part)}")
                if time.monotonic() > deadline:
                    raise StackError(f"{name} is not ready after {seconds:.0f} s.{_log_tail(state.part)}")
                time.sleep(POLL_SECONDS)
            state.deaths = 0

    def close(self) -> None:
        """Kill what still runs, and stop the thread and the reaper."""
        with self._changed:
            self._closing = True
        self._wake()
        self._thread.join(timeout=30)
        self._reaper.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _state(self, name: str) -> _State:
        if name not in self._states:
            raise StackError(f"unknown part {name!r}: the parts are {', '.join(self._states)}")
        return self._states[name]

    def _wake(self) -> None:
        os.write(self._wake_write, b".")

    def _await(self, condition: Callable[[], object], seconds: float) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise StackError(f"the supervisor did not finish within {seconds:.0f} s")

    def _run(self) -> None:
        while True:
            ready = self._selector.select(timeout=self._next_due())
            changed = False
            with self._changed:
                for key, _ in ready:
                    if key.data:
                        self._reap(key.data)
                        changed = True
                    else:
                        os.read(self._wake_read, 4096)
                changed |= self._act()
                self._changed.notify_all()
                if self._closing and not any(state.process for state in self._states.values()):
                    return
            if changed:
                self._notify()

    def _notify(self) -> None:
        try:
            self._on_change()
        except OSError as error:
            self._say(f"stack.json could not be written: {error}")

    def _next_due(self) -> float | None:
        now = time.monotonic()
        with self._changed:
            waits = [
                (state.kill_at if state.process else state.due) - now
                for state in self._states.values()
                if (state.kill_at < float("inf") if state.process else state.wanted)
            ]
        return max(0.0, min(waits)) if waits else None

    def _act(self) -> bool:
        """Start the parts that are due, kill those that did not stop in time; return whether a part was started."""
        now = time.monotonic()
        started = False
        for state in self._states.values():
            if state.process:
                if self._closing or state.kill_at <= now:
                    state.kill_at = float("inf")
                    state.process.send_all(signal.SIGKILL)
            elif state.wanted and not self._closing and state.due <= now:
                self._spawn(state)
                started = True
        return started

    def _spawn(self, state: _State) -> None:
        try:
            state.process = Process(state.part)
        except OSError as error:
            state.deaths += 1
            self._say(f"{state.part.name} could not be started ({error}): {self._back_off(state)}")
            return
        state.started, state.kill_at = time.monotonic(), float("inf")
        self._reaper.watch(state.process.pid)
        self._selector.register(state.process.descriptor, selectors.EVENT_READ, state)

    def _reap(self, state: _State) -> None:
        process = state.process
        if process is None:
            return
        self._selector.unregister(process.descriptor)
        code = process.reap()
        self._reaper.forget(process.pid)
        state.process = None
        state.deaths += 1
        if not state.wanted:
            return
        state.wanted = state.restart
        if time.monotonic() - state.started >= STABLE_SECONDS:
            state.delay = BACKOFF_FIRST
        self._say(f"{state.part.name} (pid {process.pid}) {_exit_reason(code)}: {self._back_off(state)}")

    def _back_off(self, state: _State) -> str:
        delay = state.delay
        state.due = time.monotonic() + delay
        state.delay = min(2 * delay, BACKOFF_LAST)
        return f"starting it again in {delay:g} s" if state.restart else "not restarted"


def _exit_reason(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


def _log_tail(part: Part) -> str:
    lines: list[str] = []
    with suppress(OSError):
        lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
    return f" The end of {part.log}:\n" + "\n".join(lines)
