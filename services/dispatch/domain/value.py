"""What is never changed once it is made."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """Make a dataclass that compares and hashes by content; mypy refuses to change one.

    Nothing refuses it at run time: `frozen=True` makes every field three times as dear, which was
    a tenth of what the router spends on a decision.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
