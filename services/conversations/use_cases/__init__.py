"""What conversations does when a customer writes, an agent works, or the router decides."""

from .following import EndWithTask, MergeDelivery, NoteTask
from .ports import Contacts, Conversations, Memberships, Messages
from .reading import Page, ReadConversation, ReadMessages, ReadOpenConversation
from .receiving import AppendMessage
from .staging import StoreStaged
from .waiting import Assignments, Facts
from .working import Close, Reply

__all__ = [
    "AppendMessage",
    "Assignments",
    "Close",
    "Contacts",
    "Conversations",
    "EndWithTask",
    "Facts",
    "Memberships",
    "MergeDelivery",
    "Messages",
    "NoteTask",
    "Page",
    "ReadConversation",
    "ReadMessages",
    "ReadOpenConversation",
    "Reply",
    "StoreStaged",
]
