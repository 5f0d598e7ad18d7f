"""python -m services.conversations: what was said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceStub
from centralita.conversations.v1.conversations_service_pb2_grpc import (
    add_ConversationsServiceServicer_to_server,
)
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub

from services.kernel.bus import connected
from services.kernel.channels import ServiceToken, channel
from services.kernel.clock import utc_now
from services.kernel.consume import consuming
from services.kernel.ending import beside
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.ids import new_id
from services.kernel.keys import Jwks
from services.kernel.mongo import database
from services.kernel.outbox import outbox
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.standing import hearing_standing

from .adapters import mongo_conversations, mongo_messages
from .adapters.contacts import GrpcContacts
from .adapters.dispatch import GrpcTasks, TellMends
from .adapters.memberships import memberships
from .adapters.mongo_conversations import MongoConversations
from .adapters.mongo_messages import MongoMessages
from .domain.errors import Refusal, Unusable
from .grpc_api import CODES, ConversationsApi, Working
from .handlers import Following, handlers, reconcile_for_ever
from .messages import refused_text
from .settings import Settings
from .use_cases import (
    AppendMessage,
    Assignments,
    Close,
    Continue,
    CountOpen,
    EndWithTask,
    Facts,
    MergeDelivery,
    NoteTask,
    ReadConversation,
    ReadMessages,
    ReadOpenConversation,
    Reconcile,
    Reply,
    StoreStaged,
)


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    token = ServiceToken(settings.directory_address, "conversations", settings.service_secret)
    async with (
        connected(settings.nats_url, name="conversations") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        health("conversations", bus, db) as well,
        outbox(db["conversations"], bus) as relay,
        channel(settings.contacts_address, token=token) as to_contacts,
        channel(settings.dispatch_address, token=token) as to_dispatch,
        memberships(bus) as known,
    ):
        await mongo_conversations.prepare(db["conversations"])
        await mongo_messages.prepare(db["messages"])

        conversations = MongoConversations(db["conversations"], relay)
        stored = MongoMessages(db["messages"])
        contacts = GrpcContacts(ContactsServiceStub(to_contacts))
        store = StoreStaged(conversations, stored)
        relay.pull_with(store.told)
        go_on = Continue(conversations, stored, store, new_id)
        facts = Facts()
        assignments = Assignments(conversations, facts)
        following = Following(
            append=AppendMessage(contacts, conversations, stored, store, go_on, utc_now, new_id),
            note=NoteTask(conversations, facts),
            end=EndWithTask(conversations, stored, store, go_on, utc_now),
            merge=MergeDelivery(conversations, stored, store),
        )
        reconcile = Reconcile(
            conversations,
            GrpcTasks(DispatchServiceStub(to_dispatch)),
            following.end,
            go_on,
            known.tenants,
            TellMends(),
            utc_now,
            settings.reconcile_after,
        )
        read = ReadConversation(conversations)
        working = Working(
            read=read,
            read_open=ReadOpenConversation(conversations),
            count_open=CountOpen(conversations),
            list_messages=ReadMessages(read, stored),
            reply=Reply(conversations, stored, store, assignments, utc_now),
            close=Close(conversations, store, go_on, assignments, utc_now),
        )
        async with (
            hearing_standing(bus) as standing,
            # Nobody reads why a message was unusable, and what was accepted must not vanish.
            consuming(bus, handlers(following), final=(Refusal, Unusable)),
            beside(reconcile_for_ever(reconcile, settings.reconcile_every)),
            serving(
                settings.grpc_address,
                [
                    Exposed(
                        add_ConversationsServiceServicer_to_server,
                        ConversationsApi(working, known),
                    )
                ],
                guard=Guard(
                    Jwks(settings.jwks_url), settings.issuer, settings.audience, standing=standing
                ),
                health=well,
                codes=CODES,
                refused_text=refused_text,
            ) as address,
        ):
            yield Running(grpc_address=address, health=well)


if __name__ == "__main__":
    run_from_env(service, Settings)
