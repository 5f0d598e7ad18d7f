"""What a failure is called in a log, and whose fault it is."""

from collections.abc import Callable

import grpc
import pytest
from bson.errors import InvalidBSON, InvalidDocument
from google.protobuf.message import DecodeError
from grpc.aio import AioRpcError, Metadata
from nats.errors import MaxPayloadError, NoServersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import APIError, ServiceUnavailableError
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from services.conversations.domain.errors import Stale
from services.dispatch.use_cases.ports import Unknown
from services.ingestion.domain.errors import DependencyUnavailable
from services.kernel import answers
from services.kernel.bus import BusUnavailable
from services.kernel.causes import Fault, cause_of, fault_of

CODES = grpc.StatusCode


def refused(code: grpc.StatusCode, reason: str = "") -> AioRpcError:
    if not reason:
        return AioRpcError(code, Metadata(), Metadata(), details="secret words")
    status = answers.as_status(answers.Answer(code, reason, "secret words"), "centralita.contacts")
    trailing = Metadata(*status.trailing_metadata)
    return AioRpcError(code, Metadata(), trailing, details=status.details)


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (BusUnavailable(), Fault.OUTSIDE),
        (NatsTimeout(), Fault.OUTSIDE),
        (NoServersError(), Fault.OUTSIDE),
        (ServiceUnavailableError(code=503, err_code=10023), Fault.OUTSIDE),
        (AutoReconnect(), Fault.OUTSIDE),
        (OperationFailure("no space", 14031), Fault.OUTSIDE),
        (ConnectionResetError(), Fault.OUTSIDE),
        (TimeoutError(), Fault.OUTSIDE),
        (OSError(28, "No space left on device"), Fault.OUTSIDE),
        (DependencyUnavailable("The directory is out."), Fault.OUTSIDE),
        (raised_from(Unknown(), NatsTimeout()), Fault.OUTSIDE),
        (refused(CODES.UNAVAILABLE), Fault.OUTSIDE),
        (refused(CODES.DEADLINE_EXCEEDED), Fault.OUTSIDE),
        (refused(CODES.PERMISSION_DENIED), Fault.OUTSIDE),
        (refused(CODES.INVALID_ARGUMENT), Fault.INPUT),
        (refused(CODES.INTERNAL), Fault.UNKNOWN),
        (DecodeError(), Fault.INPUT),
        (raised_from(RuntimeError(), DecodeError()), Fault.INPUT),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), Fault.UNKNOWN),
        (KeyError("a document lacks it"), Fault.UNKNOWN),
        (OverflowError(), Fault.UNKNOWN),
        (RecursionError(), Fault.UNKNOWN),
        (InvalidBSON("a damaged document"), Fault.UNKNOWN),
        (InvalidDocument("what cannot be stored"), Fault.INPUT),
        (MaxPayloadError(), Fault.INPUT),
        (APIError(code=400, err_code=10054), Fault.INPUT),
        (APIError(code=400, err_code=10097), Fault.INPUT),
        (OperationFailure("too large", 17419), Fault.INPUT),
        (raised_from(RuntimeError(), ValueError()), Fault.UNKNOWN),
        (DuplicateKeyError("twice"), Fault.UNKNOWN),
        (Stale("It changed meanwhile."), Fault.UNKNOWN),
        (RuntimeError(), Fault.UNKNOWN),
        (SystemError(), Fault.UNKNOWN),
    ],
)
def test_a_failure_is_the_fault_of_the_input_of_something_outside_or_of_nobody_knows_what(
    error: Exception, fault: Fault
) -> None:
    assert fault_of(error) is fault


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (lambda: refused(CODES.UNAVAILABLE), "AioRpcError:UNAVAILABLE"),
        (
            lambda: refused(CODES.INVALID_ARGUMENT, "TEXT_MISSING"),
            "AioRpcError:INVALID_ARGUMENT:TEXT_MISSING",
        ),
        (lambda: refused(CODES.ABORTED, "ana@example.com"), "AioRpcError:ABORTED"),
        (lambda: OperationFailure("dup key: ana@example.com", 11000), "OperationFailure:11000"),
        (lambda: APIError(code=400, err_code=10071), "APIError:10071"),
        (lambda: OSError(28, "/home/ana"), "OSError:28"),
        (lambda: RuntimeError("ana@example.com"), "RuntimeError"),
    ],
)
def test_a_cause_says_which_of_its_kind_and_quotes_nobody(
    error: Callable[[], Exception], cause: str
) -> None:
    assert cause_of(error()) == cause
