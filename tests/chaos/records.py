"""What clients and the tormentor remember of a run: operations, faults, what was heard."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.journal_reader import Stored

Key = tuple[str, str]
"""A tenant and the id of something of theirs."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Operation:
    """One thing that a client wanted. Not completed: its outcome is unknown."""

    kind: str
    tenant_id: str
    subject: str
    """The task, or the agent, it is about."""
    agent_id: str = ""
    request_id: str = ""
    invoked_ms: int = field(default_factory=now_ms)
    completed_ms: int = 0
    outcome: str = "unknown"
    """Empty: done. Else the reason of the refusal."""
    tries: int = 0

    def end(self, outcome: str) -> None:
        self.completed_ms, self.outcome = now_ms(), outcome

    @property
    def done(self) -> bool:
        return bool(self.completed_ms) and not self.outcome


@dataclass
class Fault:
    kind: str
    target: str
    began_ms: int = field(default_factory=now_ms)
    ended_ms: int = 0


@dataclass
class Silence:
    """A device that said no goodbye: its last lease was answered then."""

    tenant_id: str
    agent_id: str
    last_ms: int
    until_ms: int = 0


@dataclass
class Evidence:
    """All that is known of a round, from inside and outside."""

    operations: list[Operation] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    inputs: list[Stored] = field(default_factory=list)
    records: list[Stored] = field(default_factory=list)
    events: list[Stored] = field(default_factory=list)
    presences: list[Stored] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=dict)
    """The texts in each conversation (tenant/id), where customers wrote."""
    lease_ms: int = 0

    def operation(self, kind: str, tenant_id: str, subject: str, agent_id: str = "") -> Operation:
        """Note that somebody wants something; each wish has a request id of its own."""
        it = Operation(kind, tenant_id, subject, agent_id, f"r-{len(self.operations)}")
        self.operations.append(it)
        return it

    def keep(self, folder: Path) -> None:
        """Write everything down, one line each."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("operations", "faults", "silences"):
            lines = [json.dumps(asdict(it)) for it in getattr(self, name)]
            (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        for name in ("inputs", "records", "events", "presences"):
            lines = [_line(it) for it in getattr(self, name)]
            (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def _line(it: Stored) -> str:
    return json.dumps(
        {
            "sequence": it.sequence,
            "at_ms": it.at,
            "subject": it.subject,
            "headers": dict(it.headers),
            "data": it.data.hex(),
        }
    )
