"""Errors become codes by the service's table; what is not in it is told to nobody."""

from collections.abc import Mapping
from typing import ClassVar

import grpc
import nats.errors
import pytest
from google.protobuf.message import DecodeError
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from nats.js.errors import APIError, ServiceUnavailableError
from pymongo.errors import DocumentTooLarge, OperationFailure, ServerSelectionTimeoutError

from services.kernel.answers import (
    FAULT,
    LONGEST_DETAIL,
    MALFORMED,
    OUTAGE,
    TOO_LARGE,
    Answer,
    DependencyUnavailable,
    Explained,
    answer_to,
    as_status,
    reason_of,
)
from services.kernel.bus import BusUnavailable


class Refusal(Exception):
    reason: ClassVar[str] = "REFUSED"

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details: Mapping[str, str] = details


class TooLate(Refusal):
    reason = "TOO_LATE"


class Wordless(Exception):
    """Has a row in a table, but no reason."""


CODES = {Refusal: StatusCode.FAILED_PRECONDITION}


def rpc_error(code: StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details="secret")


def test_a_refusal_is_answered_in_its_own_words() -> None:
    answer = answer_to(Refusal("No.", taskId="t-1"), CODES)
    assert answer == Answer(StatusCode.FAILED_PRECONDITION, "REFUSED", "No.", {"taskId": "t-1"})


def test_a_refusal_inherits_the_code_and_keeps_its_reason() -> None:
    answer = answer_to(TooLate("Late."), CODES)
    assert (answer.code, answer.reason) == (StatusCode.FAILED_PRECONDITION, "TOO_LATE")


def test_the_nearest_row_of_the_table_counts() -> None:
    answer = answer_to(TooLate("Late."), {**CODES, TooLate: StatusCode.ABORTED})
    assert answer.code is StatusCode.ABORTED


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        Refusal("secret"),  # not in the table below
        rpc_error(StatusCode.INVALID_ARGUMENT),
        rpc_error(StatusCode.UNAUTHENTICATED),
        TimeoutError("secret"),
    ],
)
def test_what_is_not_in_the_table_is_internal_and_says_nothing(error: Exception) -> None:
    assert answer_to(error, {}) is FAULT
    assert "secret" not in FAULT.message


def test_a_row_for_an_error_without_a_reason_is_internal() -> None:
    assert not isinstance(Wordless(), Explained)
    assert answer_to(Wordless(), {Wordless: StatusCode.NOT_FOUND}) is FAULT


@pytest.mark.parametrize(
    "error",
    [
        rpc_error(StatusCode.UNAVAILABLE),
        rpc_error(StatusCode.DEADLINE_EXCEEDED),
        ConnectionRefusedError("secret"),
        DependencyUnavailable("secret"),
        BusUnavailable("secret"),
        ServerSelectionTimeoutError("secret"),
        nats.errors.TimeoutError(),
        nats.errors.ConnectionClosedError(),
        ServiceUnavailableError(),
    ],
)
def test_an_outage_of_what_we_need_is_our_outage(error: Exception) -> None:
    assert answer_to(error, {}) is OUTAGE


@pytest.mark.parametrize(
    "error",
    [
        nats.errors.MaxPayloadError(),
        APIError(code=400, err_code=10054),
        DocumentTooLarge("secret"),
        OperationFailure("secret", 17419),
    ],
)
def test_a_request_that_makes_more_than_bus_or_store_may_hold_is_no_fault_of_ours(
    error: Exception,
) -> None:
    assert answer_to(error, {}) is TOO_LARGE


def test_bytes_that_are_no_message_are_the_callers_mistake() -> None:
    assert answer_to(DecodeError("secret"), {}) is MALFORMED


def test_a_status_carries_one_error_info_that_is_found_again() -> None:
    status = as_status(answer_to(Refusal("No."), CODES), "centralita.test")
    assert (status.code, status.details) == (StatusCode.FAILED_PRECONDITION, "No.")
    trailing = Metadata(*status.trailing_metadata)
    error = AioRpcError(status.code, Metadata(), trailing, details=status.details)
    assert reason_of(error) == "REFUSED"


def test_an_answer_quotes_little_of_what_was_asked() -> None:
    """Above 8 KiB of trailers gRPC drops them, and the caller is told neither code nor reason."""
    answer = answer_to(Refusal("No.", id="\xfc" * 100_000), CODES)
    assert len(answer.details["id"]) <= LONGEST_DETAIL + 1
    assert answer.details["id"].startswith("\xfc" * LONGEST_DETAIL)


def test_an_error_without_details_has_no_reason() -> None:
    error: grpc.RpcError = rpc_error(StatusCode.NOT_FOUND)
    assert reason_of(error) == ""
