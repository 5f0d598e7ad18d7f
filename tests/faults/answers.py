"""What commands were told, judged by brute force: the same again, and no other under its id.

Nothing of services.dispatch is used.
"""

from typing import TYPE_CHECKING

from centralita.dispatch.journal.v1 import journal_pb2 as wire

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger

KEPT_MS = 10 * 60_000
REUSED = "REQUEST_ID_REUSED"

Answer = tuple[str, int, bytes]
"""Why not, when, and the fingerprint of what was asked."""


def answered(ledger: "Ledger", it: wire.Answered) -> None:
    """Remember an answer, and check that it is no other than before."""
    if not it.request_id:
        return
    known = ledger.answers.get((it.tenant_id, it.request_id))
    if it.reason == REUSED:
        ledger.insist(known is not None, f"{it.request_id} is used for the first time")
        return
    if known is not None and ledger.at - known[1] < KEPT_MS:
        same = (known[0], known[2]) == (it.reason, it.fingerprint)
        ledger.insist(same, f"{it.request_id} is answered {it.reason} as well")
    ledger.answers[it.tenant_id, it.request_id] = (it.reason, ledger.at, it.fingerprint)


def repeats(it: wire.Input, told: wire.Answered, known: Answer | None) -> bool:
    """Tell whether a command is answered as one must be whose request_id is known."""
    if known is None:
        return False
    reason, _, asked = known
    # Who knows of no fingerprint cannot say that it is another.
    if asked and it.fingerprint and asked != it.fingerprint:
        return told.reason == REUSED
    return (told.reason, told.fingerprint) == (reason, asked)
