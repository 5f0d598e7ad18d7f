"""What is empty, what is one line, how long is too long: the same for every service."""

import pytest
from centralita.contacts.v1.contacts_service_pb2 import Contact, Identity, ResolveContactRequest
from centralita.conversations.v1.conversations_service_pb2 import ReplyRequest
from centralita.directory.v1.directory_service_pb2 import PutQueueRequest, PutUserRequest
from centralita.directory.v1.resources_pb2 import Overflow, Queue, User
from centralita.dispatch.v1.simulation_service_pb2 import SimulateRequest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.text import Fault, fitted, flaw_in, flaw_of, shows, trim

NOTHING = {
    "nothing": "",
    "blanks": " \t\n\u00a0\u2003\u3000",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "controls": "\0\x07\x1b\x7f\x85",
    "marks of direction": "\u200e\u202e\u2066\u2069",
    "marks on no letter": "\u0301\u20dd\u0903",
    "selectors of a look": "\ufe0f\U000e0100",
    "tags": "\U000e0041\U000e007f",
    "fillers": "\u115f\u1160\u3164\uffa0\u17b4\u034f",
    "blank braille": "\u2800",
    "soft hyphens": "\u00ad\u00ad",
    "reserved for nothing": "\u2065\ufff0\U000e0fff",
    "no characters": "\ufffe\uffff\ufdd0\U0001ffff",
    "separators": "\u2028\u2029",
}


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_what_renders_as_nothing_is_empty(text: str) -> None:
    assert not shows(text)
    flaw = flaw_of(ReplyRequest, "text", text)
    assert flaw is not None
    assert flaw.fault is Fault.EMPTY
    assert fitted(Overflow, "message", text) == ""


@pytest.mark.parametrize(
    "text",
    ["a", "é", "e\u0301", "👍", "👩\u200d🌾", "1\ufe0f\u20e3", "名", "\u0635", "½", "\U0001fae9"],
)
def test_what_shows_is_text(text: str) -> None:
    assert shows(text)
    assert flaw_of(ReplyRequest, "text", text) is None
    assert flaw_of(User, "display_name", text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x" * 100, None),
        (f"  {'x' * 100} ", Fault.TOO_LONG),  # as long as it would be kept
        ("ana" + " " * 540_000, Fault.TOO_LONG),
        ("x" * 101, Fault.TOO_LONG),
        ("👩" * 100, None),
        ("Ana\nRuiz", Fault.NOT_ONE_LINE),
        ("Ana\0", Fault.NOT_ONE_LINE),
        ("Ana\u2028Ruiz", Fault.NOT_ONE_LINE),
        ("Ana\u202eziuR", Fault.NOT_ONE_LINE),
        ("नि\u200cध", None),
        ("🏴\U000e0067\U000e0062\U000e007f", None),
        (" ", Fault.EMPTY),
    ],
)
def test_a_name_is_one_line_of_code_points(text: str, fault: Fault | None) -> None:
    flaw = flaw_of(User, "display_name", text)
    assert (flaw and flaw.fault) is fault


def test_a_text_of_many_lines_may_hold_what_people_paste() -> None:
    assert flaw_of(ReplyRequest, "text", "one\r\n\ttwo\x0bthree") is None


@pytest.mark.parametrize("field", ["overflow", "business_hours"])
def test_a_flaw_is_found_wherever_it_stands_and_named_by_its_path(field: str) -> None:
    queue = Queue(queue_id="q", display_name="Sales")
    if field == "overflow":
        queue.overflow.message = " "
        path = "queue.overflow.message"
    else:
        queue.business_hours.overflow.message = "\u200b"
        path = "queue.business_hours.overflow.message"
    flaw = flaw_in(PutQueueRequest(queue=queue))
    assert flaw is not None
    assert flaw.field == path


def test_blanks_around_one_line_mean_nothing_and_those_of_many_are_the_writers() -> None:
    """A padded address was another person, and made an event larger than the bus takes."""
    request = ResolveContactRequest(
        identity=Identity(channel="sms", address=" \u3000ana\t" + " " * 540_000)
    )
    trim(request)
    assert request.identity.address == "ana"
    assert flaw_in(request) is None
    queue = Queue(queue_id=" q", display_name=" Sales\u2028", overflow=Overflow(message=" Bye\n"))
    trim(queue)
    assert queue == Queue(queue_id=" q", display_name="Sales", overflow=Overflow(message=" Bye\n"))


def test_to_trim_makes_nothing_of_what_was_not_sent() -> None:
    request = PutQueueRequest()
    trim(request)
    assert request == PutQueueRequest()
    assert not request.HasField("queue")


def test_what_is_not_sent_is_not_judged() -> None:
    queue = Queue(display_name="Sales", overflow=Overflow(end=True))
    assert flaw_in(PutQueueRequest(queue=queue)) is None
    assert flaw_in(PutUserRequest()) is None  # whether it is required is for others to say


def test_a_text_that_may_be_empty_may() -> None:
    identity = Identity(channel="sms", address="+1555")
    assert flaw_in(ResolveContactRequest(tenant_id="acme", identity=identity)) is None


@given(st.text(max_size=300))
def test_what_is_fitted_fits(text: str) -> None:
    assert flaw_of(Contact, "display_name", fitted(Contact, "display_name", text)) is None
    farewell = fitted(Overflow, "message", text)
    assert not farewell or flaw_of(Overflow, "message", farewell) is None


def test_a_message_that_holds_its_own_kind_is_judged_and_not_for_ever() -> None:
    request = SimulateRequest()
    request.scenario.update({"queues": {"q": {"skills": [{"es": ""}]}}})
    assert flaw_in(request) is None
