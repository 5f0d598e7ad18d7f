"""What was said under which id lately, so that another text under it is noticed at once."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from .errors import MessageIdReused


@dataclass(frozen=True, slots=True)
class _Said:
    content: str
    certain: bool = True


class SaidLately:
    """In memory and bounded: who forgot, or never heard, leaves it to conversations to notice."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._said: OrderedDict[str, _Said] = OrderedDict()

    def note(self, name: str, content: str) -> bool:
        """Return whether we were told this before; MessageIdReused if something else was said."""
        before = self._said.pop(name, None)
        same = before is not None and before.content == content
        if before is not None and before.certain and not same:
            self._said[name] = before
            raise MessageIdReused
        self._said[name] = _Said(content)
        while len(self._said) > self._most:
            self._said.popitem(last=False)
        return same

    def doubt(self, name: str) -> None:
        """We were told so, and whether it was stored is unknown: another text may be the first."""
        if before := self._said.get(name):
            self._said[name] = replace(before, certain=False)

    def forget(self, name: str) -> None:
        """Somebody else was told first, and we do not know what."""
        self._said.pop(name, None)
