"""An address that cannot be listened at is the operator's to mend: it is said by its variable."""

from collections.abc import Iterator
from contextlib import contextmanager

from .env import Misconfigured


@contextmanager
def listening(variable: str, address: str) -> Iterator[None]:
    """Turn what goes wrong while a server binds `address` into Misconfigured."""
    try:
        yield
    except (OSError, RuntimeError, OverflowError) as no:
        cause = (isinstance(no, OSError) and no.strerror) or "it is in use, or not of this machine"
        rule = f"is {address}, where nothing can listen ({cause}): choose another"
        raise Misconfigured({variable: rule}) from no
