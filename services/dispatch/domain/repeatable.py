"""What may be asked twice: a repetition is answered as the first time."""

from dataclasses import field

from .value import value


@value
class Repeatable:
    """Every command is one, under the `request_id` that it names beside its own fields."""

    fingerprint: bytes = field(default=b"", kw_only=True)
    """Of what is asked. Empty: who sent it did not know of fingerprints yet."""
