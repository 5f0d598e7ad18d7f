"""What all resources have in common: read one, read a page, put, remove."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.directory.domain import fields
from services.directory.domain.errors import FieldInvalid, Refusal, Stale
from services.directory.domain.slot import Slot
from services.kernel import page_tokens
from services.kernel.again import again_if

from .ports import Shelf

T = TypeVar("T")

DEFAULT_PAGE = 50
LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    slots: list[Slot[T]]
    next_token: str


class Read(Generic[T]):
    """Reading resources of one kind; `field` is the name of its id in requests."""

    def __init__(self, shelf: Shelf[T], field: str, not_found: type[Refusal]) -> None:
        self._shelf = shelf
        self._field = field
        self._not_found = not_found

    async def one(self, tenant_id: str, key: str) -> Slot[T]:
        return filled(
            await self._shelf.at(tenant_id, fields.slug(self._field, key)), self._not_found
        )

    async def page(self, tenant_id: str, size: int, token: str) -> Page[T]:
        limit = fields.number("page_size", size or DEFAULT_PAGE, 1, LARGEST_PAGE)
        found = await self._shelf.page(tenant_id, _opened(token), limit + 1)
        more = len(found) > limit
        return Page(found[:limit], _closed(found[limit - 1].id) if more else "")


def filled(slot: Slot[T], not_found: type[Refusal]) -> Slot[T]:
    if slot.value is None:
        raise not_found("It does not exist. List what does.", id=slot.id)
    return slot


@again_if(Stale)
async def put(
    shelf: Shelf[T], tenant_id: str, key: str, version: int, decide: Callable[[T | None], T]
) -> Slot[T]:
    """Write what `decide` makes of what is there. No change: nothing is written."""
    before = await shelf.at(tenant_id, key)
    before.expecting(version)
    value = decide(before.value)
    return before if value == before.value else await shelf.save(before.holding(value))


def _closed(key: str) -> str:
    return page_tokens.encode(key)


def _opened(token: str) -> str:
    if not token:
        return ""
    try:
        return fields.slug("page_token", page_tokens.decode(token))
    except (ValueError, FieldInvalid):
        raise FieldInvalid(
            "page_token", "page_token", "send the next_page_token of the page before, unchanged."
        ) from None
