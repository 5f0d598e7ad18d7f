"""What every simulated world needs of the product: saving often, and no word about accidents."""

from collections.abc import Callable

from services.dispatch.use_cases import foresee, lead


def often_saved_and_quiet(change: Callable[[object, str, object], None]) -> None:
    change(lead, "SNAPSHOT_EVERY_RECORDS", 7)
    for chatty in (lead, foresee):
        change(chatty.log, "disabled", True)
