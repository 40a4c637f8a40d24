"""JSON-RPC 2.0 as the worker speaks it: one message a line, requests in, answers and notifications out."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
MENDABLE, CANCELLED, MACHINE, BUG = -32000, -32800, -32001, -32603
"""What went wrong with a step: something the user can mend, a cancel, memory or disk, a mistake of the program."""
LONGEST_LINE = 16 * 2**20  # bytes; arrays travel in files, so a longer line is garbage

Id = str | int


class ProtocolError(Exception):
    """A line that is no request. `code` is JSON-RPC's, `request_id` is None where it could not be read."""

    def __init__(self, code: int, message: str, request_id: Id | None = None) -> None:
        super().__init__(message)
        self.code, self.request_id = code, request_id


@dataclass(frozen=True)
class Request:
    """One request; `id` None makes it a notification, which gets no answer."""

    method: str
    params: dict[str, Any]
    id: Id | None


def parse_request(line: bytes) -> Request:
    """The request in one line; raises ProtocolError for everything else."""
    if len(line) > LONGEST_LINE:
        raise ProtocolError(PARSE_ERROR, f"A line may have {LONGEST_LINE} bytes at most.")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(PARSE_ERROR, f"This line is no JSON: {line[:60]!r}.") from error
    if not isinstance(message, dict):
        raise ProtocolError(INVALID_REQUEST, "A request is one JSON object with jsonrpc, id, method and params.")
    request_id = message.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | None):
        raise ProtocolError(INVALID_REQUEST, "A request's id is a text or an integer.")
    if message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        raise ProtocolError(INVALID_REQUEST, 'A request has "jsonrpc": "2.0" and a method.', request_id)
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise ProtocolError(INVALID_PARAMS, "The params are an object with the options' names as keys.", request_id)
    return Request(message["method"], params, request_id)


def lines_from(descriptor: int) -> Iterator[bytes]:
    """Lines without their ends, until the stream ends; empty ones are left out, an endless one is cut.

    Reads the descriptor itself: a buffered file would be locked by the waiting thread when the process ends.
    """
    kept = b""
    while chunk := os.read(descriptor, 2**16):
        *whole, kept = (kept + chunk).split(b"\n")
        yield from filter(bytes.strip, whole)
        # One byte over the limit stays, so that the line is known to be too long when its end comes.
        kept = kept[: LONGEST_LINE + 1]
    if kept.strip():
        yield kept


class Channel:
    """Where messages go out; any thread may send, and each line arrives whole.

    broken: the other side does not read any more; what is sent from then on is dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._lock = descriptor, threading.Lock()
        self.broken = False

    def result(self, request_id: Id | None, value: Any) -> None:
        """Answer a request; a notification (id None) gets no answer."""
        if request_id is not None:
            self._send({"id": request_id, "result": value})

    def error(self, request_id: Id | None, code: int, message: str) -> None:
        """Answer with an error whose message is for the user; id None where no request could be read."""
        self._send({"id": request_id, "error": {"code": code, "message": " ".join(message.split())}})

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Tell something that nobody asked for."""
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **_finite(message)}, allow_nan=False).encode() + b"\n"
        with self._lock:
            try:
                while line and not self.broken:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                self.broken = True


def _finite(value: Any) -> Any:
    """`value` with NaN and infinite numbers as null, which JSON can say."""
    if isinstance(value, dict):
        return {key: _finite(single) for key, single in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(single) for single in value]
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    return value
