"""What a body says, and what is refused of it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from centralita.ingestion.v1.resources_pb2 import InboundMessage as WireMessage
from google.protobuf.timestamp_pb2 import Timestamp

from services.ingestion.domain import errors
from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.message import InboundMessage
from services.ingestion.messages import inbound, received

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ACCOUNT = ChannelAccount("acme", "shop", Channel.CUSTOM, "sales", ("secret",))
HELLO = Path("tests/payloads/custom/hello.json").read_bytes()


def test_the_json_form_is_read_with_its_time_in_milliseconds() -> None:
    message = inbound(HELLO, "application/json", NOON)
    assert message.sender_address == "+15550100001"
    assert message.sender_name == "Ana Ruiz"
    assert message.text.endswith("📦")
    assert message.sent_at == datetime(2026, 1, 5, 9, 0, 0, 123000, tzinfo=UTC)


def test_protobuf_and_json_say_the_same() -> None:
    wire = WireMessage(
        provider_message_id="wamid.HBgLMTU1NTAxMDAwMRUCABIYFjNFQjA=",
        sender_address="+15550100001",
        sender_name="Ana Ruiz",
        sent_at=Timestamp(seconds=1767603600, nanos=123_000_000),
        text="¿Dónde está mi pedido? 📦",
    ).SerializeToString()
    assert inbound(wire, "application/protobuf", NOON) == inbound(HELLO, "", NOON)


def test_a_message_without_a_time_was_sent_now() -> None:
    assert inbound(b'{"text": "hi"}', "", NOON).sent_at == NOON


def test_a_time_that_has_not_come_yet_is_now() -> None:
    assert inbound(b'{"sentAt": "2030-01-01T00:00:00Z"}', "", NOON).sent_at == NOON


def test_a_field_of_a_later_version_is_passed_over() -> None:
    assert inbound(b'{"text": "hi", "mood": {"is": ["new"]}}', "", NOON).text == "hi"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"text": 5}',
        b'{"text": ["a"]}',
        b'{"text": "\\ud800"}',
        b'{"sentAt": "yesterday"}',
        b'{"sentAt": "99999-01-01T00:00:00Z"}',
    ],
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(errors.MessageMalformed):
        inbound(body, "application/json", NOON)


def test_malformed_protobuf_is_refused() -> None:
    with pytest.raises(errors.MessageMalformed):
        inbound(b"\xff\xff\xff", "application/x-protobuf", NOON)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"provider_message_id": ""}, errors.ProviderMessageIdMissing),
        ({"provider_message_id": "  "}, errors.ProviderMessageIdMissing),
        ({"provider_message_id": "i" * 201}, errors.MessageMalformed),
        ({"sender_address": ""}, errors.SenderAddressMissing),
        ({"sender_address": "a" * 201}, errors.MessageMalformed),
        ({"sender_name": "n" * 101}, errors.MessageMalformed),
        ({"text": ""}, errors.TextMissing),
        ({"text": " \n"}, errors.TextMissing),
        ({"text": "x" * 8001}, errors.TextTooLong),
        ({"text": "\u200b\ufe0f\0"}, errors.TextMissing),
        ({"sender_address": "\u200b"}, errors.SenderAddressMissing),
        ({"provider_message_id": "\u3164"}, errors.ProviderMessageIdMissing),
        ({"provider_message_id": "a\nb"}, errors.MessageMalformed),
    ],
)
def test_each_bound_has_its_own_refusal(
    change: dict[str, str], refusal: type[errors.Refusal]
) -> None:
    # Libredesk #122, #90: an empty id matched everything, and all mail was one conversation.
    given = {"provider_message_id": "i", "sender_address": "a", "text": "t", **change}
    with pytest.raises(refusal):
        received(ACCOUNT, InboundMessage(**given, sent_at=NOON))


def test_the_longest_of_everything_is_taken() -> None:
    received(ACCOUNT, InboundMessage("i" * 200, "a" * 200, "x" * 8000, NOON, "n" * 100))


def test_a_message_is_not_lost_over_a_name_with_a_tab() -> None:
    received(ACCOUNT, InboundMessage("i", "a", "x", NOON, "Ana\tRuiz\0"))


def test_printing_a_message_shows_neither_who_wrote_nor_what() -> None:
    shown = repr(InboundMessage("id-1", "+1555", "secret words", NOON, "Ana"))
    assert "id-1" in shown
    assert not any(private in shown for private in ("+1555", "secret words", "Ana"))


def test_whoever_changes_their_name_repeats_the_same_message() -> None:
    message = inbound(HELLO, "application/json", NOON)
    assert message.content() == replace(message, sender_name="Ana R.").content()
    assert message.content() != replace(message, text="otra").content()
