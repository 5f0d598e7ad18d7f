"""The seed file: what it may say, and that the first mistake stops everything."""

from dataclasses import fields
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from services.directory.adapters.seal import Seal, SealBroken
from services.directory.adapters.seed_file import read_seed
from services.directory.adapters.seed_table import SeedInvalid
from services.directory.domain.channel_account import Channel
from services.directory.domain.group import RingStrategy
from services.directory.domain.hours import OpenDate, Span, WeekdaySpan
from services.directory.domain.queue import Queue
from services.directory.domain.routing import AgentSelection, SkillLevel
from services.directory.domain.user import Capacity, Role
from services.directory.settings import Settings, service_secrets
from services.kernel.env import Misconfigured, from_env

DEMO = Path(__file__).parents[3] / "deploy" / "seed" / "demo.toml"
TENANT = '[tenants.acme]\ndisplay_name = "Acme"\n'
USER = TENANT + '[tenants.acme.users.ana]\nemail = "a@b"\ndisplay_name = "Ana"\nrole = "agent"\n'
QUEUE = TENANT + "[tenants.acme.queues.q]\ndisplay_name = 'Q'\n"
BACK = "\n[tenants.acme.queues.r]\ndisplay_name = 'R'\noverflow = { queue = 'q' }"
HOURS = QUEUE + "[tenants.acme.queues.q.business_hours]\ntime_zone = 'Europe/Madrid'\n"
ACCOUNT = (
    TENANT
    + '[tenants.acme.queues.q]\ndisplay_name = "Q"\n'
    + '[tenants.acme.channel_accounts.web]\nchannel = "webchat"\ndisplay_name = "W"\nqueue = "q"\n'
)


def test_the_demonstration_is_what_the_readme_promises() -> None:
    (demo,) = read_seed(DEMO)
    assert demo.tenant_id == "demo"
    assert demo.queues["support"].agent_selection is AgentSelection.LONGEST_IDLE
    assert demo.queues["support"].offer_timeout.total_seconds() == 20
    assert demo.queues["sales"].agent_selection is AgentSelection.LEAST_BUSY
    roles = {key: it.role for key, it in demo.users.items()}
    assert roles == {
        "olga": Role.OWNER,
        "sam": Role.SUPERVISOR,
        "ana": Role.AGENT,
        "ben": Role.AGENT,
    }
    assert demo.presence_policy is not None
    for name in ("ana", "ben"):
        assert demo.users[name].queue_ids == ("sales", "support")
        chats = demo.users[name].capacity.chats
        assert (demo.presence_policy.chat_capacity if chats is None else chats) == 3
    assert set(demo.plain_passwords.values()) == {"centralita-demo"}
    assert set(demo.plain_passwords) == set(demo.users)
    assert demo.accounts["web"].channel is Channel.WEBCHAT
    assert demo.accounts["web"].allowed_origins == ("http://127.0.0.1:8080",)
    assert demo.accounts["shop"].secrets[0].text == "demo-shop-secret-0123456789"
    assert demo.accounts["shop"].callback_url == "http://127.0.0.1:9009/replies"


def test_no_chats_is_another_thing_than_nothing_said_of_them(tmp_path: Path) -> None:
    file = tmp_path / "seed.toml"
    kept = []
    for said in ("", "chat_capacity = 0", "calls = false"):
        file.write_text(f"{USER}{said}\n")
        (acme,) = read_seed(file)
        kept.append(acme.users["ana"].capacity)
    assert kept == [Capacity(), Capacity(chats=0), Capacity(calls=False)]


def test_the_demonstration_shows_what_a_queue_can_be_told() -> None:
    (demo,) = read_seed(DEMO)
    care = demo.queues["care"]
    unset = Queue(care.display_name)
    shown = {it.name for it in fields(care) if getattr(care, it.name) != getattr(unset, it.name)}
    assert shown >= {"skills", "relaxations", "sticky", "overflow", "after_service", "channels"}
    assert care.business_hours is not None
    assert care.business_hours.weekly[1] == WeekdaySpan(1, Span(16 * 60, 19 * 60))
    assert care.business_hours.exceptions[1] == OpenDate("2026-12-25")
    assert demo.users["ana"].skills == (SkillLevel("billing", 4), SkillLevel("english", 5))
    assert demo.groups["front-desk"].ring_strategy is RingStrategy.SEQUENTIAL
    assert demo.presence_policy is not None
    assert [it.status_id for it in demo.presence_policy.custom_statuses] == ["lunch", "training"]


def test_the_queues_of_the_walk_through_have_no_skills_hours_nor_afterwards() -> None:
    (demo,) = read_seed(DEMO)
    for name in {it.queue_id for it in demo.accounts.values()}:
        queue = demo.queues[name]
        assert (queue.skills, queue.business_hours, queue.after_service) == ((), None, None)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("not toml", "is not TOML"),
        ("tenant = 1", "nobody knows tenant"),
        ("[tenants.A]\ndisplay_name = 'x'", "tenants.A"),
        ("[tenants.acme]", "acme.display_name"),
        (TENANT + "colour = 1", "nobody knows colour"),
        (TENANT + "[tenants.acme.queues.'a.b']\ndisplay_name = 'x'", "send 1 to 64"),
        (TENANT + "[tenants.acme.queues.q]\ndisplay_name = 'x'\npriority = true", "priority"),
        (TENANT + "[tenants.acme.queues.q]\ndisplay_name = 'x'\npriority = 101", "priority"),
        (TENANT + "[tenants.acme.queues]\nq = 1", "must be a table"),
        (USER.replace("agent", "boss"), "must be one of agent, supervisor"),
        (USER.replace("a@b", "ab"), "user.email"),
        (USER + 'queues = ["nowhere"]', "not in the seed"),
        (USER + "queues = [1]", "must be a list"),
        (USER + 'password = "plain-password"', "use password_hash"),
        (USER + 'password_hash = "plain-password"', "must be an argon2id hash"),
        (USER + 'password_hash = "$argon2id$v=19$x"', "must be an argon2id hash"),
        (QUEUE + "overflow = {}", "must be one of queue, group"),
        (QUEUE + "overflow = { end = false }", "must be one of queue, group"),
        (QUEUE + "overflow = { queue = 'r', end = true }", "must be one of queue, group"),
        (QUEUE + "overflow = { queue = 'q' }", "another queue"),
        (QUEUE + "overflow = { queue = 'r' }", "not in the seed"),
        (QUEUE + "overflow = { group = 'r' }", "not in the seed"),
        (QUEUE + "overflow = { queue = 'r' }" + BACK, "come back: q > r > q"),
        (QUEUE + "skills = [{ skill = 'a', level = 6 }]", "queue.skills.level"),
        (QUEUE + "skills = [{ skill = 'a', level = 1, colour = 1 }]", "nobody knows colour"),
        (QUEUE + "skills = ['a']", "must be a table"),
        (QUEUE + "relaxations = [{ lower_by = 1 }]", "after_seconds"),
        (QUEUE + "max_wait_seconds = true", "as a number"),
        (QUEUE + "max_wait_seconds = inf", "is no span"),
        (QUEUE + "after_service = { extension_seconds = 5 }", "limit_seconds"),
        (QUEUE + "channels.fax = {}", "must be one of chat"),
        (HOURS + "weekly = { monday = ['9-14'] }", "must be spans such as"),
        (HOURS + "weekly = { monday = ['14:00-09:00'] }", "queue.business_hours.weekly.closes"),
        (HOURS + "weekly = { montag = ['09:00-14:00'] }", "nobody knows montag"),
        (HOURS + "exceptions = { christmas = [] }", "send a date"),
        (USER + "skills = { billing = 6 }", "user.skills.level"),
        (USER + "channels = ['fax']", "must be one of chat"),
        (TENANT + "[tenants.acme.presence]\nway_back = 'cool-down'", "cool_down"),
        (USER + 'nickname = "A"', "nobody knows nickname"),
        (ACCOUNT + 'secret = "0123456789abcdef"', "leave it out"),
        (ACCOUNT + 'callback_url = "http://x/"', "channel_account.callback_url"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_not_its_value(
    tmp_path: Path, text: str, place: str
) -> None:
    file = tmp_path / "seed.toml"
    file.write_text(text)
    with pytest.raises(SeedInvalid, match=place) as refused:
        read_seed(file)
    assert "plain-password" not in str(refused.value)
    assert "0123456789abcdef" not in str(refused.value)


def test_outside_the_demonstration_secrets_are_made_and_hashes_given(tmp_path: Path) -> None:
    file = tmp_path / "seed.toml"
    hashed = f'password_hash = "{PasswordHasher(1, 8, 1).hash("any-password")}"'
    file.write_text(ACCOUNT + USER.removeprefix(TENANT) + hashed)
    (acme,) = read_seed(file)
    assert len(acme.accounts["web"].secrets[0].text) >= 32
    assert acme.users["ana"].password is not None


@pytest.mark.parametrize(
    "text", ["ingestion", "ingestion=short", "=0123456789abcdef", "a.b=0123456789abcdef"]
)
def test_service_secrets_that_are_none_are_refused_unseen(text: str) -> None:
    env = {"NATS_URL": "nats://x", "MONGO_URL": "mongodb://x", "SERVICE_SECRETS": text}
    with pytest.raises(Misconfigured, match="SERVICE_SECRETS") as refused:
        service_secrets(from_env(Settings, env))
    assert "short" not in str(refused.value)


def test_service_secrets_are_read_by_name() -> None:
    pairs = "ingestion=0123456789abcdef=, conversations=fedcba9876543210"
    env = {"NATS_URL": "nats://x", "MONGO_URL": "mongodb://x", "SERVICE_SECRETS": pairs}
    settings = from_env(Settings, env)
    assert service_secrets(settings) == {
        "ingestion": "0123456789abcdef=",
        "conversations": "fedcba9876543210",
    }
    assert "0123456789abcdef" not in repr(settings)


def test_a_seal_opens_what_it_closed_and_what_was_plain_before() -> None:
    key, other = "A" * 43 + "=", "B" * 42 + "A="
    sealed = Seal(key).close(b"secret")
    assert b"secret" not in sealed
    assert sealed != Seal(key).close(b"secret")
    assert Seal(key).open(sealed) == b"secret"
    assert Seal(key).open(Seal().close(b"secret")) == b"secret"
    for wrong in (Seal(), Seal(other)):
        with pytest.raises(SealBroken):
            wrong.open(sealed)


@pytest.mark.parametrize("key", ["x", "A" * 44, "QUJD", "****"])
def test_a_key_that_is_none_is_refused_unseen(key: str) -> None:
    with pytest.raises(Misconfigured, match="KEY_ENCRYPTION_KEY must be 32 bytes"):
        Seal(key)
