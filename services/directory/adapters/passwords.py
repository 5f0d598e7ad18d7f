"""Argon2id, in threads of its own: a burst of sign-ins must not stop the event loop."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

MOST_WAITING = 64
"""Verifications under way and in line: one more would wait for two seconds and longer."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs. A hash remembers its own, so that these can be raised at any time."""

    passes: int
    memory_kib: int
    threads: int
    """How many are computed at once; the others wait."""


class ArgonPasswords:
    def __init__(self, cost: Cost, executor: ThreadPoolExecutor) -> None:
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1, type=Type.ID
        )
        self._executor = executor
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody signs in with this")

    async def hash(self, plain: str) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._hasher.hash, plain)

    def busy(self) -> bool:
        return self._waiting >= MOST_WAITING

    async def verify(self, hashed: str | None, plain: str) -> bool:
        self._waiting += 1
        try:
            right = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._verified, hashed or self._nobody, plain
            )
        finally:
            self._waiting -= 1
        return right and hashed is not None

    def _verified(self, hashed: str, plain: str) -> bool:
        try:
            return self._hasher.verify(hashed, plain)
        except (VerificationError, InvalidHashError):
            return False


@contextmanager
def argon_passwords(cost: Cost) -> Iterator[ArgonPasswords]:
    """Run the threads while the block runs."""
    with ThreadPoolExecutor(cost.threads, thread_name_prefix="argon2") as executor:
        yield ArgonPasswords(cost, executor)


def is_hash(text: str) -> bool:
    """Tell whether text is an Argon2id hash that can be verified against."""
    try:
        return extract_parameters(text).type is Type.ID
    except InvalidHashError:
        return False
