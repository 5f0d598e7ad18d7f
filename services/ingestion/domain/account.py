"""A configured way in, as much of it as the edge needs."""

from dataclasses import dataclass, field
from enum import Enum


class Channel(Enum):
    WEBCHAT = "webchat"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class ChannelAccount:
    """`secrets` are newest first: any of them verifies, and each of them signs call-backs.

    `incarnation` is the version with which it was made; above 1, another had its id before.
    """

    tenant_id: str
    channel_account_id: str
    channel: Channel
    queue_id: str
    secrets: tuple[str, ...] = field(repr=False)
    callback_url: str = field(default="", repr=False)
    allowed_origins: tuple[str, ...] = ()
    incarnation: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.tenant_id, self.channel_account_id

    @property
    def life(self) -> tuple[str, ...]:
        """Name it among all that have had its id: what was handed in to another is not its own."""
        return (*self.key, str(self.incarnation)) if self.incarnation > 1 else self.key
