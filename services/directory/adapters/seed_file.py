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
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

from services.directory.domain import fields
from services.directory.domain.channel_account import Channel, ChannelAccount
from services.directory.domain.errors import FieldInvalid
from services.directory.domain.group import Group
from services.directory.domain.queue import USUAL_OFFER, USUAL_PRIORITY, AgentSelection, Queue
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Password, Role, User, check_password
from services.directory.use_cases.resources import new_secret
from services.directory.use_cases.seed import TenantSeed
from services.kernel.ids import new_id

from .passwords import is_hash

DEMO = "demo"

E = TypeVar("E", bound=IntEnum)
T = TypeVar("T")


class SeedInvalid(ValueError):
    """The seed breaks a rule; names the place and the rule, never what stands there."""


class _Table:
    """A TOML table that is read to the last key: one nobody asked for is a mistake."""

    def __init__(self, place: str, content: object) -> None:
        if not isinstance(content, dict):
            raise SeedInvalid(f"{place}: must be a table")
        self.place = place
        self._left: dict[str, Any] = dict(content)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self._left.pop(key, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SeedInvalid(f"{self.place}.{key}: must be given, as {kind.__name__}")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise SeedInvalid(f"{self.place}.{key}: must be a list of str")
        return tuple(values)

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        text = self.take(key, str, default.name if default else None)
        names = {it.name.lower(): it for it in kind}
        chosen = names.get(text.lower().replace("-", "_"))
        if chosen is None:
            raise SeedInvalid(f"{self.place}.{key}: must be one of {', '.join(names)}")
        return chosen

    def tables(self, key: str) -> dict[str, "_Table"]:
        inner = self.take(key, dict, {})
        return {name: _Table(f"{self.place}.{key}.{name}", it) for name, it in inner.items()}

    def done(self) -> None:
        if self._left:
            raise SeedInvalid(f"{self.place}: nobody knows {', '.join(sorted(self._left))}")


def read_seed(path: Path) -> list[TenantSeed]:
    """Read and check the whole file before anything of it is applied. Raises SeedInvalid."""
    try:
        root = _Table(path.name, tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError:
        raise SeedInvalid(f"{path.name}: is not TOML") from None
    tenants = [_tenant(key, table) for key, table in root.tables("tenants").items()]
    root.done()
    return tenants


def _tenant(tenant_id: str, table: _Table) -> TenantSeed:
    _checked(table, lambda: fields.tenant_slug("tenant_id", tenant_id))
    plain_allowed = tenant_id == DEMO
    tenant = Tenant(table.take("display_name", str))
    queues = _each(table, "queues", _queue)
    users = table.tables("users")
    passwords = {key: _plain_password(it, allowed=plain_allowed) for key, it in users.items()}
    seed = TenantSeed(
        tenant_id=tenant_id,
        tenant=_checked(table, tenant.checked),
        queues=queues,
        users={key: _one(key, it, _user) for key, it in users.items()},
        plain_passwords={key: plain for key, plain in passwords.items() if plain},
        groups=_each(table, "groups", _group),
        accounts=_each(table, "channel_accounts", _account(plain_allowed=plain_allowed)),
    )
    table.done()
    _insist_on_references(table.place, seed)
    return seed


def _each(table: _Table, key: str, build: Callable[[_Table], T]) -> Mapping[str, T]:
    return {name: _one(name, it, build) for name, it in table.tables(key).items()}


def _one(key: str, table: _Table, build: Callable[[_Table], T]) -> T:
    _checked(table, lambda: fields.slug("id", key))
    value = _checked(table, lambda: build(table))
    table.done()
    return value


def _checked(table: _Table, check: Callable[[], T]) -> T:
    try:
        return check()
    except FieldInvalid as wrong:
        raise SeedInvalid(f"{table.place}: {wrong}") from None


def _queue(table: _Table) -> Queue:
    seconds = table.take("offer_timeout_seconds", int, int(USUAL_OFFER.total_seconds()))
    selection = table.choice("agent_selection", AgentSelection, AgentSelection.LONGEST_IDLE)
    return Queue(
        display_name=table.take("display_name", str),
        agent_selection=selection,
        offer_timeout=timedelta(seconds=seconds),
        priority=table.take("priority", int, USUAL_PRIORITY),
    ).checked()


def _user(table: _Table) -> User:
    hashed = table.take("password_hash", str, "")
    if hashed and not is_hash(hashed):
        raise SeedInvalid(f"{table.place}.password_hash: must be an argon2id hash")
    return User(
        email=table.take("email", str),
        display_name=table.take("display_name", str),
        role=table.choice("role", Role),
        queue_ids=table.words("queues"),
        chat_capacity=table.take("chat_capacity", int, 0),
        password=Password(new_id(), hashed) if hashed else None,
    ).checked()


def _plain_password(table: _Table, *, allowed: bool) -> str:
    plain = table.take("password", str, "")
    if plain and not allowed:
        raise SeedInvalid(f"{table.place}.password: use password_hash outside the demonstration")
    return _checked(table, lambda: check_password(plain)) if plain else ""


def _group(table: _Table) -> Group:
    return Group(table.take("display_name", str), table.words("users")).checked()


def _account(*, plain_allowed: bool) -> Callable[[_Table], ChannelAccount]:
    def build(table: _Table) -> ChannelAccount:
        secret = table.take("secret", str, "")
        if secret and not plain_allowed:
            raise SeedInvalid(f"{table.place}.secret: leave it out, and rotate it to learn it")
        account = ChannelAccount(
            channel=table.choice("channel", Channel),
            display_name=table.take("display_name", str),
            queue_id=table.take("queue", str),
            callback_url=table.take("callback_url", str, ""),
            allowed_origins=table.words("allowed_origins"),
        ).checked()
        now = datetime.now(UTC)  # only the end of an older secret depends on it: there is none
        return account.with_new_secret(secret or new_secret(), now, timedelta())

    return build


def _insist_on_references(place: str, seed: TenantSeed) -> None:
    named = [
        *(("users", key, it.queue_ids, seed.queues) for key, it in seed.users.items()),
        *(("groups", key, it.user_ids, seed.users) for key, it in seed.groups.items()),
        *(
            ("channel_accounts", key, (it.queue_id,), seed.queues)
            for key, it in seed.accounts.items()
        ),
    ]
    for kind, key, wanted, there in named:
        for missing in set(wanted) - set(there):
            raise SeedInvalid(f"{place}.{kind}.{key}: names {missing}, which is not in the seed")
