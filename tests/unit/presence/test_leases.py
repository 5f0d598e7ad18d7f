"""The book brings up exactly those whose every lease has ended."""

from hypothesis import given
from hypothesis import strategies as st

from services.presence.domain.leases import Key, LeaseBook

ANA, BEN = ("acme", "ana"), ("acme", "ben")


def test_a_renewal_says_whether_the_lease_was_running() -> None:
    book = LeaseBook()

    assert not book.renew(ANA, "d1", 15.0, now=0.0)
    assert book.renew(ANA, "d1", 20.0, now=5.0)
    assert not book.renew(ANA, "d2", 20.0, now=5.0)
    assert not book.renew(ANA, "d1", 40.0, now=25.0)


def test_who_is_due_comes_up_once_until_looked_at_again() -> None:
    book = LeaseBook()
    book.renew(ANA, "d1", 15.0)

    assert book.due(14.9) == []
    assert book.due(15.0) == [ANA]
    assert book.due(16.0) == []
    book.look_again(ANA, 17.0)
    assert book.due(17.0) == [ANA]


def test_grace_moves_everybody_also_who_is_being_looked_at() -> None:
    book = LeaseBook()
    book.renew(ANA, "d1", 15.0)
    book.renew(BEN, "d1", 99.0)
    assert book.due(20.0) == [ANA]
    book.grace(35.0)

    assert book.due(34.9) == []
    assert book.due(35.0) == [ANA]


def test_a_goodbye_brings_the_user_up_soon_unless_another_device_is_there() -> None:
    book = LeaseBook()
    book.renew(ANA, "d1", 15.0)
    book.renew(BEN, "d1", 15.0)
    book.renew(BEN, "d2", 15.0)
    book.shorten(ANA, "d1", 2.0)
    book.shorten(BEN, "d1", 2.0)

    assert book.due(2.0) == [ANA]
    assert book.due(15.0) == [BEN]


users = st.sampled_from([ANA, BEN])
devices = st.sampled_from(["d1", "d2"])
moves = st.tuples(
    st.sampled_from(["renew", "shorten", "forget", "grace"]), users, devices, st.integers(0, 9)
)


@given(st.lists(moves, max_size=40))
def test_the_book_agrees_with_a_plain_list_of_deadlines(
    history: list[tuple[str, Key, str, int]],
) -> None:
    book = LeaseBook()
    plain: dict[Key, dict[str, float]] = {}
    for now, (move, user, device, ahead) in enumerate(history):
        until = float(now + ahead)
        match move:
            case "renew":
                book.renew(user, device, until)
                known = plain.setdefault(user, {})
                known[device] = max(until, known.get(device, 0.0))
            case "shorten":
                book.shorten(user, device, until)
                if device in plain.get(user, {}):
                    plain[user][device] = min(until, plain[user][device])
            case "forget":
                book.forget(user)
                plain.pop(user, None)
            case _:
                book.grace(until)
                for known in plain.values():
                    for name in known:
                        known[name] = max(known[name], until)
        gone = {who for who, known in plain.items() if max(known.values()) <= now}
        assert set(book.due(now)) == gone
        for who in gone:  # settled: nobody is there
            book.forget(who)
            del plain[who]
