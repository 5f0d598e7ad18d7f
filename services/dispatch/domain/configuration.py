"""What the directory says of a tenant, and which of it the router does not know."""

from dataclasses import replace
from typing import TypeVar

from .inputs import AgentConfigured, GroupConfigured, QueueConfigured, TenantConfigured
from .repeatable import Versioned
from .tenant import Tenant

Configuration = QueueConfigured | GroupConfigured | AgentConfigured | TenantConfigured

_C = TypeVar("_C", bound=Versioned)


def known(tenant: Tenant, it: Configuration) -> Configuration | None:
    """Return what is known of whatever a fact is about; None: nothing."""
    match it:
        case QueueConfigured():
            return tenant.queues.get(it.queue_id)
        case GroupConfigured():
            return tenant.groups.configured.get(it.group_id)
        case AgentConfigured():
            agent = tenant.agents.get(it.agent_id)
            return None if agent is None else agent.config
        case _:
            return tenant.settings


def is_news(tenant: Tenant, it: Configuration) -> bool:
    """Say whether a fact is of a later version, or says more of the same."""
    before = known(tenant, it)
    if before is None or it.version != before.version:
        return before is None or it.version > before.version
    return it.again and it.version > 0 and it != before


def kept(it: _C) -> _C:
    """Return a fact as it is kept: that it was told again is no part of it."""
    return replace(it, again=False) if it.again else it
