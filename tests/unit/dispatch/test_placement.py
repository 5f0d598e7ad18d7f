"""Shards among replicas: fair, hardly ever moved, and everywhere the same."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain.placement import placed

NAMES = st.sets(st.sampled_from("abcdefgh"), min_size=1)
SHARDS = st.integers(0, 12)
OWNERS = st.dictionaries(st.integers(0, 12), st.sampled_from("abcdefghxyz"))


def counts(target: dict[int, str], replicas: set[str]) -> list[int]:
    led = Counter(target.values())
    return [led[name] for name in replicas]


@given(SHARDS, NAMES, OWNERS)
def test_everybody_leads_as_many_as_everybody_else_or_one_more(
    shards: int, replicas: set[str], owners: dict[int, str]
) -> None:
    target = placed(shards, replicas, owners)
    assert sorted(target) == list(range(shards))
    assert set(target.values()) <= replicas
    led = counts(target, replicas)
    assert max(led) - min(led) <= 1
    assert max(led) <= -(-shards // len(replicas))


@given(SHARDS, NAMES, OWNERS)
def test_only_what_is_too_much_is_moved(
    shards: int, replicas: set[str], owners: dict[int, str]
) -> None:
    target = placed(shards, replicas, owners)
    owned = Counter(owners.get(shard) for shard in range(shards))
    share, left_over = divmod(shards, len(replicas))
    # However a fair share is dealt out, so many are too much at least.
    above = sum(max(0, owned[name] - share) for name in replicas)
    with_one_more = sum(owned[name] > share for name in replicas)
    moved = sum(
        owners.get(shard) in replicas and target[shard] != owners[shard] for shard in range(shards)
    )
    assert moved == above - min(with_one_more, left_over)


@given(SHARDS, NAMES, OWNERS)
def test_what_is_placed_stays(shards: int, replicas: set[str], owners: dict[int, str]) -> None:
    target = placed(shards, replicas, owners)
    assert placed(shards, replicas, target) == target


@given(SHARDS, NAMES, OWNERS, st.randoms())
def test_everybody_comes_to_the_same_whatever_they_heard_first(
    shards: int, replicas: set[str], owners: dict[int, str], dice: Random
) -> None:
    names, led = list(replicas), list(owners.items())
    dice.shuffle(names)
    dice.shuffle(led)
    assert placed(shards, names, dict(led)) == placed(shards, replicas, owners)


def test_one_who_goes_and_comes_back_moves_only_a_share() -> None:
    three = placed(6, "abc", {})
    two = placed(6, "ab", three)
    assert sum(two[shard] != three[shard] for shard in two) == 2, "those of the one who went"
    again = placed(6, "abc", two)
    assert sum(again[shard] != two[shard] for shard in two) == 2


def test_nobody_leads_where_nobody_is() -> None:
    assert placed(4, (), {0: "a"}) == {}
