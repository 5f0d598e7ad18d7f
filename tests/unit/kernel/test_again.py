"""A lost race is run again; nothing else is, and not for ever."""

import asyncio

import pytest

from services.kernel.again import again_if


class Stale(Exception):
    pass


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the pauses instead of waiting for them."""
    taken: list[float] = []

    async def pause(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return taken


class Race:
    def __init__(self, *, losses: int, error: type[Exception] = Stale) -> None:
        self.runs = 0
        self._losses = losses
        self._error = error

    @again_if(Stale)
    async def __call__(self, prize: str) -> str:
        self.runs += 1
        if self.runs <= self._losses:
            raise self._error
        return prize


async def test_a_lost_race_is_run_until_it_is_won() -> None:
    race = Race(losses=3)
    assert await race("gold") == "gold"
    assert race.runs == 4


async def test_the_loser_of_twenty_races_is_told(pauses: list[float]) -> None:
    race = Race(losses=99)
    with pytest.raises(Stale):
        await race("gold")
    assert race.runs == 20
    assert sum(pauses) < 1


async def test_another_error_is_not_repeated() -> None:
    race = Race(losses=1, error=LookupError)
    with pytest.raises(LookupError):
        await race("gold")
    assert race.runs == 1
