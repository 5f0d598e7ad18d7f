"""What went wrong, in words that may be logged, and whose fault it is.

Looked up by name: what was never imported cannot have raised, so this costs no import.
"""

import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum, auto
from typing import Any, cast

from google.protobuf.message import DecodeError

_Kinds = Iterable[tuple[str, str]]
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

_OUTAGES: _Kinds = (
    ("services.kernel.answers", "DependencyUnavailable"),
    ("services.kernel.publisher", "BusUnavailable"),
    ("nats.errors", "ConnectionClosedError"),
    ("nats.errors", "TimeoutError"),
    ("nats.js.errors", "ServiceUnavailableError"),
    ("pymongo.errors", "ConnectionFailure"),
    ("pymongo.errors", "ExecutionTimeout"),
    ("pymongo.errors", "WTimeoutError"),
)
"""What a caller is told to try again for."""

_OUTSIDE: _Kinds = (
    *_OUTAGES,
    ("services.kernel.publisher", "Overtaken"),
    ("nats.errors", "Error"),
    ("pymongo.errors", "PyMongoError"),
    ("aiohttp", "ClientError"),
)
_REFUSALS: _Kinds = (
    ("nats.js.errors", "APIError"),
    ("nats.js.errors", "NoStreamResponseError"),
    ("pymongo.errors", "OperationFailure"),
)
_SILENCES: _Kinds = (
    ("pymongo.errors", "ExecutionTimeout"),
    ("pymongo.errors", "WTimeoutError"),
)
_LARGE: _Kinds = (
    ("nats.errors", "MaxPayloadError"),
    ("pymongo.errors", "DocumentTooLarge"),
)
_INPUT: _Kinds = (
    ("nats.errors", "BadSubjectError"),
    ("nats.errors", "BadHeaderError"),
    ("bson.errors", "InvalidDocument"),
)
_OUTAGE_CODES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
_INPUT_CODES = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE"})
_OUTSIDE_CODES = _OUTAGE_CODES | {
    "ABORTED",
    "CANCELLED",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "UNIMPLEMENTED",
}
_NUMBERS = (
    ("nats.js.errors", "APIError", "err_code"),
    ("pymongo.errors", "OperationFailure", "code"),
    ("aiohttp", "ClientResponseError", "status"),
)
_TOO_LARGE = frozenset({10054, 10097, 10334, 17419, 17420})
"""What JetStream and MongoDB say of a message and a document that they will never hold."""


class Fault(Enum):
    """Whose fault a failure is."""

    OUTSIDE = auto()
    """Something else does not answer, or not as it should: patience helps."""
    INPUT = auto()
    """What was handed in: it will never be better."""
    UNKNOWN = auto()
    """Nobody foresaw it, perhaps a bug: patience helps seldom."""


def fault_of(error: BaseException) -> Fault:
    """Say whose fault a failure is; what an error was raised from says it in its place.

    It is the input's only where somebody who looked at the input says so: who decodes it, the bus,
    a store or a service that refuses it. A `KeyError` of a handler may be over a document that is
    damaged, or written by a newer version, and then the next message would fare no better.
    """
    code = _grpc_code(error)
    if code in _INPUT_CODES or is_too_large(error) or _is_one(error, _INPUT):
        return Fault.INPUT
    if code in _OUTSIDE_CODES or _is_outside(error):
        return Fault.OUTSIDE
    if isinstance(error, DecodeError):
        return Fault.INPUT
    return Fault.UNKNOWN if error.__cause__ is None else fault_of(error.__cause__)


def is_too_large(error: BaseException) -> bool:
    """Say whether the bus or a store will never hold what it was given, for its size."""
    return _number_of(error) in _TOO_LARGE or _is_one(error, _LARGE)


def is_refusal(error: BaseException) -> bool:
    """Say whether a store is there and did not keep what it was given."""
    return _is_one(error, _REFUSALS) and not _is_one(error, _SILENCES)


def is_outage(error: BaseException) -> bool:
    """Say whether a caller is to try again, because a part of the system does not answer."""
    if (code := _grpc_code(error)) is not None:
        return code in _OUTAGE_CODES
    return isinstance(error, ConnectionError) or _is_one(error, _OUTAGES)


def cause_of(error: BaseException) -> str:
    """Name a failure without its words, which may quote anybody.

    Its type, and what its maker tells failures of that type apart by: `AioRpcError:UNAVAILABLE`,
    `AioRpcError:INVALID_ARGUMENT:TEXT_MISSING`, `OperationFailure:11000`, `OSError:28`.
    """
    told: list[object] = [type(error).__qualname__]
    if (code := _grpc_code(error)) is not None:
        told += [code, _reason_of(error)]
    elif isinstance(error, OSError):
        told.append(error.errno)
    else:
        told.append(_number_of(error))
    return ":".join(str(one) for one in told if one)


def _is_one(error: BaseException, kinds: _Kinds) -> bool:
    return any(
        isinstance(error, getattr(module, kind))
        for name, kind in kinds
        if (module := sys.modules.get(name)) is not None
    )


def _is_outside(error: BaseException) -> bool:
    """Say whether something else is in trouble; of errors of a domain their stable reason tells."""
    if _is_one(error, (("pymongo.errors", "DuplicateKeyError"),)):
        return False  # an answer, to what nobody foresaw
    reason = getattr(error, "reason", None)
    unavailable = isinstance(reason, str) and reason.endswith("_UNAVAILABLE")
    return unavailable or isinstance(error, OSError) or _is_one(error, _OUTSIDE)


def _grpc_code(error: BaseException) -> str | None:
    """Return the name of the code of an error of a gRPC call; None for any other error."""
    if not _is_one(error, (("grpc", "RpcError"),)):
        return None
    code: Callable[[], Any] | None = getattr(error, "code", None)
    return "UNKNOWN" if code is None else str(code().name)


def _reason_of(error: BaseException) -> str:
    answers: Any = sys.modules.get("services.kernel.answers")
    reason = ""
    with suppress(Exception):  # an answer that is not of ours may carry anything
        reason = str(answers.reason_of(error))
    return reason if _REASON.fullmatch(reason) else ""


def _number_of(error: BaseException) -> int | None:
    """Return the number by which its maker tells the failure apart."""
    for name, kind, attribute in _NUMBERS:
        if _is_one(error, ((name, kind),)):
            return cast("int | None", getattr(error, attribute, None))
    return None
