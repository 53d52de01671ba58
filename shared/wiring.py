"""
Joins the parts into a Responder: the one place that knows every part, and the only one that knows clients.
"""

import os
import random
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.actions import check_policy_action, choosable
from shared.azure_standing import AzureStanding
from shared.clock import Clock, system_clock
from shared.contacts import NOBODY, load_contacts
from shared.desk import Desk
from shared.inbox import Inbox, Stamp
from shared.liveness import Liveness
from shared.muster import Muster
from shared.outbox import Outbox
from shared.policy import Policy, load_policy
from shared.preflight import Role, Setting
from shared.readiness import Asked, ReadinessCheck
from shared.responder import Responder
from shared.settings import Settings
from shared.stop import StoredSwitch
from shared.store import Store
from shared.tenant import Tenant

if TYPE_CHECKING:
    import httpx
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport


@dataclass(frozen=True, slots=True)
class Outside:
    """
    What comes in from outside: time, chance, this instance's name, and the ways out.

    A transport of None means the real network.
    """

    clock: Clock
    instance: str
    random: Callable[[], float]
    credential_for: "Callable[[str], AsyncTokenCredential]"
    store: Store
    graph_transport: "httpx.AsyncBaseTransport | None" = None
    azure_transport: "Callable[[], AsyncHttpTransport[Any, Any]] | None" = None

    @staticmethod
    def system(settings: Settings, environ: Mapping[str, str]) -> "Outside":
        """The real world, as the settings describe it. Opens no connection yet."""
        from shared.clients.credentials import credential_for

        return Outside(
            clock=system_clock,
            instance=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
            random=random.SystemRandom().random,
            credential_for=credential_for,
            store=_open_store(settings, environ),
        )


def build(settings: Settings, outside: Outside) -> Responder:
    """Make the Responder. Raises PolicyWrong, ContactsWrong if a file cannot be used; then nothing starts."""
    from shared.clients.governor import Governor
    from shared.clients.tenant import make_tenant, warm_up

    policy = load_policy(settings.policy, choosable(), check_policy_action, with_samples=False)
    tenant = make_tenant(
        settings,
        credential_for=outside.credential_for,
        graph_transport=outside.graph_transport,
        azure_transport=outside.azure_transport,
        clock=outside.clock,
        random=outside.random,
        pace=Governor(outside.store.documents, outside.clock),
    )
    addresses = {"graph": settings.graph_url.rstrip("/"), "arm": settings.arm_url.rstrip("/")}
    stamp = Stamp(settings.tenant_id, settings.mode.value, policy.digest, addresses)
    own = {settings.reader_client_id, settings.executor_client_id, settings.rotator_client_id}
    muster = Muster(outside.store.documents, policy, outside.clock)
    return Responder(
        Desk(
            tenant=tenant,
            store=outside.store,
            inbox=Inbox(outside.store, stamp, outside.clock, muster.announce),
            muster=muster,
            outbox=Outbox(tenant.publisher, outside.clock),
            switch=StoredSwitch(outside.store.documents, outside.clock),
            policy=policy,
            tenant_id=settings.tenant_id,
            mode=settings.mode.value,
            handover_vault=tenant.handover is not None,
            own_ids=frozenset(client_id for client_id in own if client_id),
            instance=outside.instance,
            clock=outside.clock,
            warm_up=warm_up,
            readiness=_readiness(settings, policy, tenant, outside),
            liveness=Liveness(outside.store.documents, policy, outside.clock),
            azure_standing=_azure_standing(settings, policy, tenant, outside),
            contacts=load_contacts(settings.contacts) if settings.contacts else NOBODY,
        )
    )


def _azure_standing(settings: Settings, policy: Policy, tenant: Tenant, outside: Outside) -> AzureStanding:
    clients = {"executor": settings.executor_client_id, "rotator": settings.rotator_client_id}
    return AzureStanding(policy, tenant, clients, settings.mode.value, outside.clock)


def _readiness(settings: Settings, policy: Policy, tenant: Tenant, outside: Outside) -> ReadinessCheck:
    executor = settings.executor_client_id
    clients: dict[Role, str] = {"reader": settings.reader_client_id, **({"executor": executor} if executor else {})}
    setting = Setting(
        mode=settings.mode.value,
        cloud=settings.cloud.value,
        executor=executor is not None,
        handover_vault=tenant.handover is not None,
        topic=tenant.publisher is not None,
        log_workspaces=bool(settings.log_workspaces),
        estate=tenant.estate is not None,
        one_identity=executor == settings.reader_client_id,
    )
    return ReadinessCheck(policy, setting, Asked(tenant.rights, clients), outside.store.documents, outside.clock)


def _open_store(settings: Settings, environ: Mapping[str, str]) -> Store:
    if settings.store.startswith("sqlite:"):
        from shared.clients.sqlite_store import open_sqlite_store

        return open_sqlite_store(settings.store.removeprefix("sqlite:"), system_clock)
    from shared.clients.azure_store import open_azure_store
    from shared.clients.credentials import credential_for

    return open_azure_store(environ, credential_for)
