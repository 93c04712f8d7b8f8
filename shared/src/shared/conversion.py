"""`msgspec.convert`, made safe for threads."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_lock = threading.Lock()
_analysed: set[type] = set()


def convert(document: Any, model: type[T], *, dec_hook: Callable[[type, Any], Any] | None = None) -> T:
    """Do what `msgspec.convert` does, from any thread.

    msgspec analyses a model at its first conversion. If another thread converts to the same model meanwhile, it reads
    the unfinished result, and the whole process crashes. So the analysis runs first, under a lock.
    """
    if model not in _analysed:
        with _lock:
            msgspec.json.Decoder(model)
            _analysed.add(model)
    return msgspec.convert(document, model, dec_hook=dec_hook)  # noqa: TID251 - safe after the analysis
