"""One customer organisation of the installation."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Tenant:
    display_name: str

    def checked(self) -> "Tenant":
        return replace(self, display_name=self.display_name.strip())
