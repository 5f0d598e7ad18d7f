"""What conversations does when a customer writes, an agent works, or the router decides."""

from .continuing import Continue
from .following import EndWithTask, MergeDelivery, NoteTask
from .ports import Contacts, Conversations, Memberships, Messages
from .reading import CountOpen, Page, ReadConversation, ReadMessages, ReadOpenConversation
from .receiving import AppendMessage
from .reconciling import Mend, Reconcile
from .staging import StoreStaged
from .waiting import Assignments, Facts
from .working import Close, Reply

__all__ = [
    "AppendMessage",
    "Assignments",
    "Close",
    "Contacts",
    "Continue",
    "Conversations",
    "CountOpen",
    "EndWithTask",
    "Facts",
    "Memberships",
    "Mend",
    "MergeDelivery",
    "Messages",
    "NoteTask",
    "Page",
    "ReadConversation",
    "ReadMessages",
    "ReadOpenConversation",
    "Reconcile",
    "Reply",
    "StoreStaged",
]
