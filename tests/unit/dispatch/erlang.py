"""Exact values of queueing theory, from the textbook's formulas and nothing of ours."""

from dataclasses import dataclass
from math import exp


@dataclass(frozen=True, slots=True)
class ErlangC:
    """M/M/n: `load` in Erlang, `service_s` the mean service time."""

    load: float
    agents: int
    service_s: float

    @property
    def delayed(self) -> float:
        blocked = 1.0
        for servers in range(1, self.agents + 1):
            blocked = self.load * blocked / (servers + self.load * blocked)
        return self.agents * blocked / (self.agents - self.load * (1 - blocked))

    @property
    def wait(self) -> float:
        return self.delayed * self.service_s / (self.agents - self.load)

    def within(self, seconds: float) -> float:
        return 1 - self.delayed * exp(-(self.agents - self.load) * seconds / self.service_s)


@dataclass(frozen=True, slots=True)
class ErlangA:
    """M/M/n+M by its birth and death process; rates a second."""

    arrivals: float
    service: float
    impatience: float
    agents: int

    def _states(self) -> list[float]:
        weights = [1.0]
        for people in range(1, 40 * self.agents):
            busy = min(people, self.agents)
            leaving = busy * self.service + (people - busy) * self.impatience
            weights.append(weights[-1] * self.arrivals / leaving)
        total = sum(weights)
        return [weight / total for weight in weights]

    @property
    def delayed(self) -> float:
        return sum(self._states()[self.agents :])

    @property
    def waiting(self) -> float:
        states = enumerate(self._states())
        return sum((people - self.agents) * p for people, p in states if people > self.agents)

    @property
    def wait(self) -> float:
        return self.waiting / self.arrivals

    @property
    def abandoned(self) -> float:
        return self.impatience * self.waiting / self.arrivals

    @property
    def busy(self) -> float:
        answered = self.arrivals * (1 - self.abandoned)
        return answered / self.service / self.agents
