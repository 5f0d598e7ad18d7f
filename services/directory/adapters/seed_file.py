"""The seed as people write it: one TOML table for each thing, its id is the table's name.

    [tenants.acme]
    display_name = "Acme"
    [tenants.acme.users.olga]
    email = "olga@acme.example"
    display_name = "Olga"
    role = "owner"
    password_hash = "$argon2id$..."

Plain passwords and secrets are for the tenant "demo" only; deploy/seed/demo.toml shows them all.
"""

import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from centralita.directory.v1 import resources_pb2

from services.directory.domain import fields, overflow
from services.directory.domain.channel_account import Channel, ChannelAccount
from services.directory.domain.errors import FieldInvalid, OverflowCycle
from services.directory.domain.routing import SkillLevel, TaskChannel
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Capacity, Password, Role, User, check_password
from services.directory.use_cases.resources import new_secret
from services.directory.use_cases.seed import TenantSeed
from services.kernel.ids import new_id

from .passwords import is_hash
from .seed_routing import group_of, policy_of, queue_of
from .seed_table import SeedInvalid, Table, built, checked

DEMO = "demo"

T = TypeVar("T")


def read_seed(path: Path) -> list[TenantSeed]:
    """Read and check the whole file before anything of it is applied. Raises SeedInvalid."""
    try:
        root = Table(path.name, tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError:
        raise SeedInvalid(f"{path.name}: is not TOML") from None
    tenants = [_tenant(key, table) for key, table in root.tables("tenants").items()]
    root.done()
    return tenants


def _tenant(tenant_id: str, table: Table) -> TenantSeed:
    checked(table, lambda: fields.tenant_slug("tenant_id", tenant_id))
    plain_allowed = tenant_id == DEMO
    tenant = Tenant(table.text("display_name", resources_pb2.Tenant))
    queues = _each(table, "queues", queue_of)
    users = table.tables("users")
    presence = table.table("presence")
    passwords = {key: _plain_password(it, allowed=plain_allowed) for key, it in users.items()}
    seed = TenantSeed(
        tenant_id=tenant_id,
        tenant=checked(table, tenant.checked),
        queues=queues,
        users={key: _one(key, it, _user) for key, it in users.items()},
        plain_passwords={key: plain for key, plain in passwords.items() if plain},
        groups=_each(table, "groups", group_of),
        accounts=_each(table, "channel_accounts", _account(plain_allowed=plain_allowed)),
        presence_policy=_one(tenant_id, presence, policy_of) if presence else None,
    )
    table.done()
    _insist_on_references(table.place, seed)
    return seed


def _each(table: Table, key: str, build: Callable[[Table], T]) -> Mapping[str, T]:
    return {name: _one(name, it, build) for name, it in table.tables(key).items()}


def _one(key: str, table: Table, build: Callable[[Table], T]) -> T:
    checked(table, lambda: fields.slug("id", key))
    return checked(table, lambda: built(table, build))


def _user(table: Table) -> User:
    hashed = table.take("password_hash", str, "")
    if hashed and not is_hash(hashed):
        raise SeedInvalid(f"{table.place}.password_hash: must be an argon2id hash")
    return User(
        email=table.take("email", str),
        display_name=table.text("display_name", resources_pb2.User),
        role=table.choice("role", Role),
        queue_ids=table.words("queues"),
        capacity=Capacity(table.maybe("chat_capacity", int), table.maybe("calls", bool)),
        password=Password(new_id(), hashed) if hashed else None,
        skills=tuple(SkillLevel(*it) for it in table.numbers("skills").items()),
        channels=table.choices("channels", TaskChannel),
    ).checked()


def _plain_password(table: Table, *, allowed: bool) -> str:
    plain = table.take("password", str, "")
    if plain and not allowed:
        raise SeedInvalid(f"{table.place}.password: use password_hash outside the demonstration")
    return checked(table, lambda: check_password(plain)) if plain else ""


def _account(*, plain_allowed: bool) -> Callable[[Table], ChannelAccount]:
    def build(table: Table) -> ChannelAccount:
        secret = table.take("secret", str, "")
        if secret and not plain_allowed:
            raise SeedInvalid(f"{table.place}.secret: leave it out, and rotate it to learn it")
        account = ChannelAccount(
            channel=table.choice("channel", Channel),
            display_name=table.text("display_name", resources_pb2.ChannelAccount),
            queue_id=table.take("queue", str),
            callback_url=table.take("callback_url", str, ""),
            allowed_origins=table.words("allowed_origins"),
        ).checked()
        now = datetime.now(UTC)  # only the end of an older secret depends on it: there is none
        return account.with_new_secret(secret or new_secret(), now, timedelta())

    return build


def _insist_on_references(place: str, seed: TenantSeed) -> None:
    leads_to = {key: queue.next_queue_ids for key, queue in seed.queues.items()}
    for key, queue in seed.queues.items():
        try:
            queue.check_leads_on(key)
            overflow.check_ends(key, leads_to)
        except (FieldInvalid, OverflowCycle) as wrong:
            raise SeedInvalid(f"{place}.queues.{key}: {wrong}") from None
    named = [
        *(("users", key, it.queue_ids, seed.queues) for key, it in seed.users.items()),
        *(("groups", key, it.user_ids, seed.users) for key, it in seed.groups.items()),
        *(
            ("channel_accounts", key, (it.queue_id,), seed.queues)
            for key, it in seed.accounts.items()
        ),
        *(("queues", key, it.next_queue_ids, seed.queues) for key, it in seed.queues.items()),
        *(
            ("queues", key, tuple(to for _, to in it.next_groups), seed.groups)
            for key, it in seed.queues.items()
        ),
    ]
    for kind, key, wanted, there in named:
        for missing in set(wanted) - set(there):
            raise SeedInvalid(f"{place}.{kind}.{key}: names {missing}, which is not in the seed")
