"""What was said under which id lately, so that another text under it is noticed at once."""

from collections import OrderedDict

from .errors import MessageIdReused


class SaidLately:
    """In memory and bounded: who forgot, or never heard, leaves it to conversations to notice."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._said: OrderedDict[str, str] = OrderedDict()

    def note(self, name: str, content: str) -> bool:
        """Return whether it was known to say this; MessageIdReused if it said something else."""
        known = self._said.get(name)
        if known is not None and known != content:
            raise MessageIdReused
        self._said[name] = content
        self._said.move_to_end(name)
        while len(self._said) > self._most:
            self._said.popitem(last=False)
        return known is not None

    def forget(self, name: str) -> None:
        """Unlearn what turned out not to be certain."""
        self._said.pop(name, None)
