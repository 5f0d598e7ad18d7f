"""A router that is told anything, and what examples are drawn from."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from services.dispatch.adapters.inputs import encode_input
from services.dispatch.domain.repeatable import Versioned
from tests.unit.dispatch.desk import Desk

MINUTE, HOUR = 60_000, 3_600_000
tenants = st.sampled_from(["acme", "acme", "acme", "globex"])
queues = st.sampled_from(["sales", "support", "nobodys"])
groups = st.sampled_from(["desk", "night"])
agents = st.sampled_from(["ana", "bo", "cyd", "dee"])
tasks = st.sampled_from([f"t{number}" for number in range(1, 10)])
requests = st.sampled_from(["", *(f"r{number}" for number in range(1, 7))])
skills = st.sampled_from([(), (("es", 1),), (("es", 3),), (("de", 2), ("es", 1))])
priorities = st.sampled_from([0, 0, 1, 50, 100])
pauses = st.sampled_from([0, 1, 500, 1_000, 19_999, 20_000, 11 * MINUTE, 25 * HOUR])
ask_again = st.sampled_from([20_000, 20_000, 5_000, 11 * MINUTE, 2**62, -5, 0])
number = st.integers(0, 7)


class Telling(RuleBasedStateMachine):
    """A router, all that it was told, and what can be said of it."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.given: list[bytes] = []
        self.versions = 0

    def give(self, it: Any) -> None:
        if isinstance(it, Versioned) and len(self.given) % 3 == 0:
            it = replace(it, again=True)
        data = encode_input(it)
        self.given.append(data)
        self.desk.take(data)

    def version(self, age: int) -> int:
        """Return a new version for age 0; unversioned, repeated or stale for others."""
        if age > 3:
            return max(0, self.versions - age + 4)
        self.versions += 1
        return self.versions

    def some(self, place: str, index: int) -> tuple[str, str, str]:
        found = [(key, it) for key, it in self.desk.ledger.tasks.items() if it.place == place]
        (tenant_id, task_id), task = found[index % len(found)]
        rung = sorted(task.offers) or [task.agent_id]
        return tenant_id, task_id, rung[index % len(rung)]

    def any_in(self, place: str) -> bool:
        return any(task.place == place for task in self.desk.ledger.tasks.values())

    def request(self, index: int) -> str:
        return f"r{index}" if index else f"new{len(self.given)}"
