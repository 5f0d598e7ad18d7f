"""Which records of a journal are its own: each says the hash of all before it and of itself.

Whatever else lies under the subject is foreign, such as the ack of a publish that somebody steered
here: it is passed over. A record that goes on from the last and cannot be read was decided by a
newer version, and who cannot read it must not decide what follows. Anybody who may write here could
make up a record that goes on: the bus lets nobody but the router.
"""

from collections.abc import Sequence
from dataclasses import replace

from services.dispatch.use_cases.ports import Newer, Position, Record, Torn
from services.kernel.tail import Tailed
from services.kernel.unreadable import passed_over

from .records import next_chain, read_record, signed

STRAYS = 100
"""Foreign records of which is remembered what they say they are."""


class Chain:
    """Follows a journal from a position on."""

    def __init__(self, stream: str, position: Position) -> None:
        self._stream = stream
        self._position = position

    def follow(self, sequence: int, data: bytes) -> Record:
        """Return the record; for a foreign one, one that moves the position and decides nothing.

        Raises Newer. Raises Torn when it goes on from a record that did not: then not that one is
        foreign, but something between is lost or was changed.
        """
        said, strays = signed(data), self._position.strays
        if said is None or next_chain(self._position.chain, said.body) != said.chain:
            if said is not None:
                if any(next_chain(stray, said.body) == said.chain for stray in strays):
                    raise Torn(sequence)
                strays = (*strays, said.chain)[-STRAYS:]
            passed_over(self._stream, "Foreign", sequence=sequence)
            self._position = replace(self._position, sequence=sequence, strays=strays)
            return Record(self._position, ())
        try:
            record = read_record(sequence, said.message)
        except Exception as unknown:
            raise Newer(sequence) from unknown
        if strays:
            record = replace(record, position=replace(record.position, strays=strays))
        self._position = record.position
        return record


def leading_to(end: Position, messages: Sequence[Tailed]) -> list[Record]:
    """Pick, of what lies before a position, the records that led there, and read them.

    Without the hash before the first, whose each is shows from the end: from there backwards.
    """
    led: list[Record] = []
    chain, body = end.chain, b""
    for message in reversed(messages):
        said = signed(message.data)
        if said is None or (next_chain(said.chain, body) if led else said.chain) != chain:
            continue  # foreign, and was said to be when it was passed over
        led.append(read_record(message.sequence, said.message))
        chain, body = said.chain, said.body
    return led[::-1]
