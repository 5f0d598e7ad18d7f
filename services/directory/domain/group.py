"""A set of agents rung by a dial strategy."""

from dataclasses import dataclass, replace

from . import fields


@dataclass(frozen=True, slots=True)
class Group:
    display_name: str
    user_ids: tuple[str, ...] = ()

    def checked(self) -> "Group":
        return replace(
            self,
            display_name=fields.name("group.display_name", self.display_name),
            user_ids=fields.slugs("group.user_ids", self.user_ids),
        )
