"""Every error a caller sees is one of ours: a code, a sentence, and one ErrorInfo.

The caller may rely on the code, the reason and the details; the sentence is for people and
may change. What nobody foresaw is INTERNAL and says nothing of its cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped, unused-ignore]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped, unused-ignore]  # no stubs
from grpc import StatusCode
from grpc_status import rpc_status

from .causes import is_outage, is_too_large

Codes = Mapping[Any, StatusCode]
"""A service's table from what it refuses to the code that says so. Subclasses inherit.

Keys are exception types; a mapping is invariant in them, hence Any.
"""

LONGEST_DETAIL = 200
"""Characters: the whole answer has to fit into 8 KiB of trailers, and may quote the request."""

NO_DETAILS: Mapping[str, str] = {}


@runtime_checkable
class Explained(Protocol):
    """An error with a name that programs may rely on."""

    @property
    def reason(self) -> str: ...
    @property
    def details(self) -> Mapping[str, str]: ...


class DependencyUnavailable(Exception):
    """Something this service needs does not answer. What it was asked may have happened."""

    reason: ClassVar[str] = "DEPENDENCY_UNAVAILABLE"
    details: Mapping[str, str] = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller is told. `reason` is UPPER_SNAKE."""

    code: StatusCode
    reason: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> bool:
        """Whether this is an answer, rather than a fault of ours that must be looked at."""
        return self.code not in {StatusCode.INTERNAL, StatusCode.UNKNOWN}


FAULT = Answer(StatusCode.INTERNAL, "INTERNAL", "Something went wrong on our side.")
OUTAGE = Answer(
    StatusCode.UNAVAILABLE,
    DependencyUnavailable.reason,
    "A part of the system does not answer; try again with the same request_id.",
)
MALFORMED = Answer(
    StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST", "The request is not the message it claims."
)
TOO_LARGE = Answer(
    StatusCode.INVALID_ARGUMENT,
    "REQUEST_TOO_LARGE",
    "The request makes more than one message or document may hold: send less at once.",
)
UNIMPLEMENTED = Answer(
    StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED", "This server does not have this method yet."
)


def answer_to(error: Exception, codes: Codes) -> Answer:
    """Say what a caller is told about an error."""
    for kind in type(error).__mro__:
        code = codes.get(kind)
        if code is not None and isinstance(error, Explained):
            details = {key: _short(str(value)) for key, value in error.details.items()}
            return Answer(code, error.reason, str(error), details)
    if isinstance(error, DecodeError):
        return MALFORMED
    if isinstance(error, NotImplementedError):
        return UNIMPLEMENTED
    if is_too_large(error):
        return TOO_LARGE
    return OUTAGE if is_outage(error) else FAULT


def _short(detail: str) -> str:
    return detail if len(detail) <= LONGEST_DETAIL else detail[:LONGEST_DETAIL] + "…"


def as_status(answer: Answer, domain: str) -> grpc.Status:
    """Dress an answer as a gRPC status whose details are exactly one ErrorInfo."""
    info = any_pb2.Any()
    info.Pack(ErrorInfo(reason=answer.reason, domain=domain, metadata=answer.details))
    number, _ = answer.code.value
    return rpc_status.to_status(Status(code=number, message=answer.message, details=[info]))


def reason_of(error: grpc.RpcError) -> str:
    """Return the ErrorInfo reason another service answered with, or "" when it gave none."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    for detail in status.details if status is not None else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
