"""What may come twice: a repetition is answered as the first time, or is no news."""

from dataclasses import field

from .value import value


@value
class Repeatable:
    """Every command is one, under the `request_id` that it names beside its own fields."""

    fingerprint: bytes = field(default=b"", kw_only=True)
    """Of what is asked. Empty: who sent it did not know of fingerprints yet."""


@value
class Versioned:
    """Every fact of the directory is one, beside its own fields and its `version`."""

    again: bool = field(default=False, compare=False, kw_only=True)
    """An older router may have read this version in part: it is news if it says something else."""
