"""Load, decide, save; each module declares the ports it needs."""

from .accept import AcceptMessage, AcceptStatus
from .connector import Connector, Envelope
from .deliver import DeliverReply
from .refusals import ReadRefusals
from .wait import TellWait
from .webchat import ReadReplies, Sessions

__all__ = [
    "AcceptMessage",
    "AcceptStatus",
    "Connector",
    "DeliverReply",
    "Envelope",
    "ReadRefusals",
    "ReadReplies",
    "Sessions",
    "TellWait",
]
