"""
The practice tenant: an Entra tenant with Azure around it, in memory, strict and nasty by default.

    tenant = PracticeTenant(
        scenario["tenant"],
        azure=scenario.get("azure"),
        logs=scenario.get("logs"),
        timeline=scenario.get("timeline", ()),
        attackers=scenario.get("attackers", ()),
        consumers=scenario.get("consumers", ()),               # consumers.py: who lives on secrets
        owners=scenario.get("owners", ()),                     # owners.py: who rotates what Cordon cannot
        workloads=scenario.get("workloads", ()),               # workloads.py: who signs in every day
        faults=scenario.get("faults", ()),
        clock=virtual_clock().now,
        seed=7,
    )
    transport = PracticeHttpxTransport(tenant.asgi)                # drill.transports: for msgraph-sdk
    PracticeAzureTransport(tenant.asgi)                            # and for Key Vault clients
    credential = PracticeCredential(tenant, tenant.cordon["executor"].client_id)

    async with asyncio.TaskGroup() as group:
        world = tenant.start(group)                                # timeline and attackers begin
        ...
        for task in world:
            task.cancel()

    tenant.effects        # every write that reached it: at, by, service, method, path, status, applied, body, …
    tenant.attempts       # sign-ins and attackers' moves, with their outcome
    tenant.requests       # every request, for counting
    tenant.snapshot()     # {"tenant": …, "azure": …, "workloads": …} in the scenario's shape, no secret in it
    tenant.canaries       # every secret, token and private key it made: none may be found anywhere
    tenant.subscribe(listener)    # what vaults tell Event Grid: listener(event, seconds until it is delivered)
    tenant.sign_in(principal_id, Credential(CredentialKind.SECRET, key_id))   # would it still get a token?

It works on any event loop; under `drill.virtual_time.run` it takes no time. It serves graph.microsoft.com,
<vault>.vault.azure.net (the vault `handover` is always there), management.azure.com, api.loganalytics.io and
login.microsoftonline.com, picked by the Host header or X-Original-Host. A request to 127.0.0.1 is taken for Graph.

`azure` takes subscriptions (`subscriptionId`, `managementGroupAncestorsChain`), roleDefinitions, roleAssignments
(`principalId`, `roleDefinitionId` or `roleDefinitionName`, `scope`; `removedAt`: held until then, before the drill, as
the activity log tells), `permissions` ({reader|executor|rotator:
[assignments]}: what Cordon may do instead of its usual roles at the root management group), workspaces,
`entraDiagnosticSettings` ({workspaceId, logs: [{category, enabled}], since}: without any, no workspace gets Entra's
logs), vaults
(`rbac` true, false or null, `accessPolicies`, `firewall`, `diagnostics` true, false or settings, `diagnosticsHistory`
[{at, diagnostics}]: what became of them before the drill, `enabledForTemplateDeployment` and the like, `events` false
where nobody has subscribed to what the vault tells, `secrets`), `deletedVaults` ({name, deletedAt}), `locks` (`scope`,
`level`: ReadOnly | CanNotDelete) and
the services in arm/sources.py: storageAccounts, databaseAccounts, serviceBusNamespaces, eventHubNamespaces,
redisCaches, postgresServers, sqlServers. A secret has a `value`, or `valueOf` a service's key or a client secret
({resource, key, as: key | connectionString} or {keyId}); `countsAt: vault` says that both sides read it from
there, `deletedDaysAgo` that it can be recovered only. Several secrets of one name are its versions, each with a
`version` where something has to name it.
`arm.sources.works(state, vault, secret, text)` tells whether
a value opens anything today. The questions of Resource Graph and Log Analytics and their columns stand in
arm/resource_graph.py, logs/queries.py and logs/entra_tables.py, the roles that Cordon has in arm/roles.py.

Scenario keys that are the practice tenant's own: `tenant.behaviour` (see Behaviour), `tenant.permissions`
({reader|executor|rotator: [Graph permissions]}), `servicePrincipalLockConfiguration` on a service principal
(the lock of a foreign application), `secretText` in a passwordCredential, `timeline[].late|add|delete`.
`tenant.roleAssignments` (directory roles; `tenant.roleDefinitions` tells the tenant's own), `tenant.groups` (with
`members`, ids).
`timeline[].add` also takes owners, appRoleAssignments, oauth2PermissionGrants, roleAssignments and
conditionalAccessPolicies, and `patch` the latter: all of them by Graph's own calls, audit records included.
`timeline[].by` says who adds, patches, deletes and consents (`consents`: graph/consents.py).
`timeline[].azure`: roles that come and go, people who read and set secrets (azure_changes.py).
An attacker acts with the identity's own power: its token's roles come from `appRoleAssignments` on Graph,
Application.ReadWrite.OwnedBy reaches what it owns, and without either its moves are refused. `power: admin`
plays a stolen administrator.

To add an endpoint, write one function `(state, request, **path parameters) -> Answer` and one Route with
its permissions, buckets and whether it writes; a new service is a Gate. Facts that the platform leaves
unverified are switches in Behaviour.
"""

from drill.practice.behaviour import Behaviour
from drill.practice.building import cordon_client_id, cordon_object_id
from drill.practice.shapes import ScenarioMistake
from drill.practice.sign_ins import Credential, CredentialKind, SignIn
from drill.practice.state import Seen
from drill.practice.tenant import PracticeTenant
from drill.practice.tokens import CordonIdentity, Token

__all__ = [
    "Behaviour",
    "CordonIdentity",
    "Credential",
    "CredentialKind",
    "PracticeTenant",
    "ScenarioMistake",
    "Seen",
    "SignIn",
    "Token",
    "cordon_client_id",
    "cordon_object_id",
]
