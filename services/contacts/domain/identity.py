"""How a contact is addressed on a channel, and when two addresses are the same one."""

import re
from dataclasses import dataclass
from typing import Self

from .errors import IdentityInvalid

# The handles of these channels mean something only inside their channel account: two shops of
# one tenant may both have a visitor "v-1", and they are two people.
_SCOPED = frozenset({"webchat", "custom"})

_CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Identity:
    channel: str
    channel_account_id: str
    address: str

    @classmethod
    def checked(cls, channel: str, channel_account_id: str, address: str) -> Self:
        """Return the identity, or refuse it with the field that is wrong."""
        if not _CHANNEL.fullmatch(channel):
            raise IdentityInvalid(
                "Send the channel's lower-case name, such as webchat.", field="channel"
            )
        if channel in _SCOPED and not channel_account_id:
            raise IdentityInvalid(
                "An address of this channel needs its channel account.",
                field="channel_account_id",
            )
        if channel_account_id and not _ACCOUNT.fullmatch(channel_account_id):
            raise IdentityInvalid(
                "A channel account is 1 to 64 of [A-Za-z0-9_-].", field="channel_account_id"
            )
        return cls(channel, channel_account_id, address)

    @property
    def key(self) -> str:
        """What is unique in a tenant. The first two parts hold no slash, so it is unambiguous."""
        return f"{self.channel}/{self.channel_account_id}/{self.address}"
