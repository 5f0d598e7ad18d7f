"""The groups of a tenant: who is rung by which strategy, and the tasks that ring at them.

A task stands in its group's line until somebody holds it, also while it rings: at a member who
becomes able to take it, a group that rings at all rings, too.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from heapq import merge
from itertools import chain, islice

from .demand import Load
from .inputs import GroupConfigured, RingStrategy
from .parties import Agent, Task

_Entry = tuple[int, int, str, Task]
"""Least first: the task's order, the task."""


class Groups:
    """Groups and their lines. Of what is here only the settings are truth."""

    def __init__(self) -> None:
        self.configured: dict[str, GroupConfigured] = {}
        self._of_agent: dict[str, tuple[str, ...]] = {}
        self._lines: dict[str, dict[Load, list[_Entry]]] = {}
        """What takes the same stands together: one look says whether an agent has room for it."""

    def configure(self, group: GroupConfigured) -> None:
        for agent_id in self.members(group.group_id):
            kept = tuple(it for it in self._of_agent[agent_id] if it != group.group_id)
            self._of_agent[agent_id] = kept
        self.configured[group.group_id] = group
        for agent_id in self.members(group.group_id):
            others = self._of_agent.get(agent_id, ())
            self._of_agent[agent_id] = (*others, group.group_id)

    def members(self, group_id: str) -> tuple[str, ...]:
        """Return who belongs to a group, each once; nobody to one that is not known."""
        group = self.configured.get(group_id)
        return () if group is None or group.removed else tuple(dict.fromkeys(group.member_ids))

    def removed(self, group_id: str) -> bool:
        """Tell whether there was such a group, and is no more."""
        group = self.configured.get(group_id)
        return group is not None and group.removed

    def line(self, group_id: str) -> list[Task]:
        """List the tasks that ring at a group or wait for it, first come first."""
        return [entry[3] for entry in merge(*self._lines.get(group_id, {}).values())]

    def heads(self) -> Iterator[Task]:
        """Walk the first of every line."""
        return self._heads(self._lines)

    def heads_for(self, agents: Iterable[Agent]) -> Iterator[Task]:
        """Walk the first of every line of the groups to which any of some agents belongs."""
        of_agents = chain(*(self._of_agent.get(agent.id, ()) for agent in agents))
        return self._heads(dict.fromkeys(of_agents))

    def _heads(self, group_ids: Iterable[str]) -> Iterator[Task]:
        for group_id in group_ids:
            for line in self._lines.get(group_id, {}).values():
                yield line[0][3]

    def behind(self, task: Task) -> Task | None:
        """Return what stands behind a task in its line; None: nothing, or it stands in none."""
        line = self._lines.get(task.submitted.group_id, {}).get(task.load, [])
        at = bisect_left(line, task.order) + 1
        return line[at][3] if at < len(line) else None

    def has_room(self, agent: Agent) -> bool:
        """Tell whether an agent has room for anything that stands in a line of theirs."""
        groups = self._of_agent.get(agent.id, ())
        return any(agent.fits(load) for it in groups for load in self._lines.get(it, ()))

    def place_task(self, task: Task) -> None:
        """Put a task in its group's line."""
        lines = self._lines.setdefault(task.submitted.group_id, {})
        insort(lines.setdefault(task.load, []), (*task.order, task))

    def remove_task(self, task: Task) -> None:
        """Take a task out of its line; harmless when it is in none."""
        lines = self._lines.get(task.submitted.group_id)
        if lines is None:
            return
        line = lines.get(task.load, [])
        at = bisect_left(line, task.order)
        if at < len(line) and line[at][3] is task:
            del line[at]
            if not line:
                del lines[task.load]

    def whom_to_ring(self, task: Task, agents: Mapping[str, Agent]) -> list[Agent]:
        """Return the members at whom the strategy rings now: all, the next one, or nobody."""
        return list(islice(self._able(task, agents), self.at_once(task)))

    def best_task(self, agent: Agent) -> Task | None:
        """Return the first task by priority, then age, that the agent is to be rung for now."""
        best: _Entry | None = None
        for group_id in self._of_agent.get(agent.id, ()):
            for load, line in self._lines.get(group_id, {}).items():
                if not (agent.takes(load) and agent.fits(load)):
                    continue
                for entry in line:
                    if best is not None and best < entry:
                        break
                    if self.at_once(entry[3]) != 0 and not _was_asked(agent, entry[3]):
                        best = entry
                        break
        return None if best is None else best[3]

    def at_once(self, task: Task) -> int | None:
        """Return at how many more a task of a known group may ring now; None is all."""
        group = self.configured[task.submitted.group_id]
        if group.ring_strategy is RingStrategy.SIMULTANEOUS:
            return None
        return 0 if task.rings else 1

    def _able(self, task: Task, agents: Mapping[str, Agent]) -> Iterator[Agent]:
        for agent_id in self.in_order(task):
            agent = agents.get(agent_id)
            if agent is not None and _suits(agent, task):
                yield agent

    def in_order(self, task: Task) -> tuple[str, ...]:
        """Return the members in the order in which the task rings at them, or all at once."""
        group_id, task_id = task.submitted.group_id, task.submitted.task_id
        members = self.members(group_id)
        if members and self.configured[group_id].ring_strategy is RingStrategy.RANDOM:
            # Drawn from the ids alone: whoever decides again draws the same.
            drawn = sorted(members, key=lambda it: blake2b(f"{task_id}/{it}".encode()).digest())
            members = tuple(drawn)
        if not task.refused:
            return members
        # Who refused it comes after the others, the least recently asked first.
        return tuple(sorted(members, key=lambda it: task.refused.get(it, 0)))


def _suits(agent: Agent, task: Task) -> bool:
    return agent.takes(task.load) and agent.fits(task.load) and not _was_asked(agent, task)


def _was_asked(agent: Agent, task: Task) -> bool:
    return agent.id in task.offers or agent.id in task.excluded
