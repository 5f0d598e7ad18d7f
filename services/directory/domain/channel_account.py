"""One configured instance of a channel, and the secrets its messages are signed with."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum

from . import fields
from .errors import FieldInvalid

SECRET_LENGTH = (16, 200)


class Channel(IntEnum):
    """A way in. Numbers of the proto."""

    WEBCHAT = 1
    CUSTOM = 2


@dataclass(frozen=True, slots=True)
class Secret:
    text: str = field(repr=False)
    good_until: datetime | None = None
    """None: until it is replaced."""


@dataclass(frozen=True, slots=True)
class ChannelAccount:
    channel: Channel
    display_name: str
    queue_id: str
    callback_url: str = field(default="", repr=False)
    allowed_origins: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = field(default=(), repr=False)
    """Newest first."""

    def checked(self) -> "ChannelAccount":
        if self.callback_url:
            _only_for(self.channel, Channel.CUSTOM, "channel_account.callback_url")
            fields.url("channel_account.callback_url", self.callback_url)
        if self.allowed_origins:
            _only_for(self.channel, Channel.WEBCHAT, "channel_account.allowed_origins")
        origins = fields.origins("channel_account.allowed_origins", self.allowed_origins)
        return replace(
            self,
            display_name=self.display_name.strip(),
            queue_id=fields.slug("channel_account.queue_id", self.queue_id),
            allowed_origins=origins,
        )

    def with_new_secret(self, text: str, now: datetime, overlap: timedelta) -> "ChannelAccount":
        """Put a secret in front. The one before it ends after `overlap`; older ones end now."""
        fields.length("secret", text, *SECRET_LENGTH)
        before = [replace(it, good_until=now + overlap) for it in self.secrets[:1]]
        return replace(self, secrets=(Secret(text), *before))

    def good_secrets(self, now: datetime) -> tuple[str, ...]:
        return tuple(it.text for it in self.secrets if it.good_until is None or now < it.good_until)


def _only_for(channel: Channel, owner: Channel, name: str) -> None:
    if channel is not owner:
        raise FieldInvalid(name, "channel", f"leave it empty unless the channel is {owner.name}.")
