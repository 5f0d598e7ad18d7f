"""Every string that somebody can send us is a text with bounds, or is checked as what it is."""

from collections.abc import Iterator

import pytest
from centralita.ingestion.v1.resources_pb2 import InboundMessage
from centralita.options.v1.options_pb2 import text as text_option
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.contract.test_access import METHODS

CHECKED_OTHERWISE = {
    # Tokens: [A-Za-z0-9_-], by the kernel's is_token or the directory's slug.
    "channel",
    "move_to",
    "offered_to",
    "service",
    # Ignored: only answers say it.
    "removing_to",
    # Credentials: compared, never shown.
    "password",
    "refresh_token",
    "secret",
    # Forms of their own.
    "allowed_origins",
    "callback_url",
    "date",
    "email",
    "first_day",
    "page_token",
    "time_zone",
}


def strings(
    kind: Descriptor, path: str, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, FieldDescriptor]]:
    if kind.full_name in seen or not kind.full_name.startswith("centralita."):
        return
    for field in kind.fields:
        where = f"{path}.{field.name}"
        if field.type == FieldDescriptor.TYPE_STRING:
            yield where, field
        elif field.message_type is not None:
            yield from strings(field.message_type, where, seen | {kind.full_name})


STRINGS = dict(
    sorted(
        found
        for kind in (*(method.input_type for method in METHODS), InboundMessage.DESCRIPTOR)
        for found in strings(kind, kind.full_name)
    )
)


def is_text(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().HasExtension(text_option))


def test_there_are_texts_to_look_at() -> None:
    assert sum(map(is_text, STRINGS.values())) > 8


@pytest.mark.parametrize("where", STRINGS)
def test_a_string_of_a_request_has_bounds_or_is_no_text(where: str) -> None:
    field = STRINGS[where]
    if not is_text(field):
        token = field.name.endswith(("_id", "_ids"))
        assert token or field.name in CHECKED_OTHERWISE, "say what it may be"
        return
    rule = field.GetOptions().Extensions[text_option]
    assert rule.min_length <= rule.max_length
    assert 0 < rule.max_length <= 8_000
