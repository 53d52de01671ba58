"""
Cordon's one Conditional Access policy: found by its name, made once, extended by what is missing and nothing else.

There is no ETag, so what is sent back is what was read a moment ago (facts: Graph 7). A creation must not be
repeated blindly, because two policies of one name would be two: it is sent once, and looked for after that.
"""

import asyncio

from shared.clients.answers import Call, Method
from shared.clients.graph_http import GraphHttp, read_page
from shared.clients.graph_requests import POLICIES, PREMIUM, policies_call
from shared.clients.graph_shapes import Unreadable, guid_of, own_policies
from shared.clients.pacing import IDENTITY_PROTECTION
from shared.clients.patience import Trouble, persist
from shared.errors import PlatformRefused, Unreachable
from shared.identity import PrincipalId, canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.tenant import RISK_POLICY, Check, PolicyCovers, unchecked

# Graph's list of permissions asks for these together, to read before and after as well.
WRITE_POLICIES = "Policy.ReadWrite.ConditionalAccess with Policy.Read.All and Application.Read.All"
_EVERYONE = "ServicePrincipalsInMyTenant"
_LAGS = (3.0, 9.0, 20.0)  # seconds before each further look for a policy that may have been made


class RiskPolicyWriter:
    """Reads through one identity, writes through another. Make it, call it, throw it away."""

    def __init__(self, reader: GraphHttp, writer: GraphHttp) -> None:
        self._reader, self._writer = reader, writer

    async def cover(
        self, principal: PrincipalId, state: str, *, sent_before: bool, check: Check = unchecked
    ) -> PolicyCovers:
        """See `Directory.cover_by_risk_policy`."""
        id_ = canonical_guid(principal)
        found = await self._find()
        for lag in _LAGS if sent_before else ():
            if found is None:
                await asyncio.sleep(lag)
                found = await self._find()
        await check()
        if found is None:
            return PolicyCovers(await self._create(id_, state, check), "created")
        try:
            return await self._extend(found, id_)
        except Unreadable as problem:
            raise Unreachable("extending Cordon's Conditional Access policy", str(problem)) from None

    async def leave(
        self, principal: PrincipalId, policy_id: str, *, delete_if_ours: bool, check: Check = unchecked
    ) -> None:
        """See `Directory.leave_risk_policy`."""
        id_, found = canonical_guid(principal), await self._find()
        if found is None or guid_of(found, "id") != canonical_guid(policy_id):
            return
        doing = f"taking service principal {principal} out of Cordon's Conditional Access policy"
        try:
            conditions = _inner(found, "conditions")
            clients = _inner(conditions, "clientApplications")
        except Unreadable as problem:
            raise Unreachable(doing, str(problem)) from None
        included = clients.get("includeServicePrincipals")
        if not isinstance(included, list) or id_ not in included:
            return
        await check()
        if included == [id_]:
            if not delete_if_ours:
                raise PlatformRefused(
                    doing=doing,
                    code="covers-nobody-else",
                    why="it covers nobody else, and Graph takes no policy without a service principal. Delete or "
                    "change the policy by hand.",
                )
            doing = "deleting Cordon's Conditional Access policy, which covers nobody else"
            await self._writer.send(_write("DELETE", f"{POLICIES}/{canonical_guid(policy_id)}", doing, None))
            return
        wanted: JsonObject = {**clients, "includeServicePrincipals": [each for each in included if each != id_]}
        body: JsonObject = {"conditions": _sendable({**conditions, "clientApplications": wanted})}
        await self._writer.send(_write("PATCH", f"{POLICIES}/{canonical_guid(policy_id)}", doing, body))

    async def _find(self) -> JsonObject | None:
        call = policies_call()
        first = await self._reader.send(call)
        read_page(call, first)
        found = [each async for page in self._reader.pages(call, first) for each in own_policies(page)]
        if len(found) > 1:
            raise PlatformRefused(
                doing="covering the identity by Cordon's Conditional Access policy",
                code="several-policies",
                why=f"{len(found)} policies are named “{RISK_POLICY}”; Cordon changes none of them.",
            )
        return found[0] if found else None

    async def _create(self, principal: str, state: str, check: Check) -> str:
        """One exchange. What surely was not carried out may be sent again; what was lost is not."""
        call = _write("POST", POLICIES, "making Cordon's Conditional Access policy", new_policy(principal, state))

        async def attempt() -> JsonObject:
            await self._writer.pacing.take(IDENTITY_PROTECTION, urgent=True)
            await check()  # the quota may have been waited for
            (outcome,) = await self._writer.try_all([call])
            if isinstance(outcome, Trouble):
                outcome.again = outcome.again and not outcome.lost
                raise outcome
            return outcome

        made = await persist(attempt, self._writer.patience, self._writer.random, call.doing)
        return str(made.get("id") or "")

    async def _extend(self, policy: JsonObject, principal: str) -> PolicyCovers:
        id_ = guid_of(policy, "id")
        conditions = _inner(policy, "conditions")
        clients = _inner(conditions, "clientApplications")
        included = clients.get("includeServicePrincipals") or []
        if not isinstance(included, list):
            raise Unreadable("includeServicePrincipals is not a list")
        if principal in included or _EVERYONE in included:
            return PolicyCovers(id_, "already")
        wanted: JsonObject = {**clients, "includeServicePrincipals": [*included, principal]}
        body: JsonObject = {"conditions": _sendable({**conditions, "clientApplications": wanted})}
        doing = f"adding service principal {principal} to Cordon's Conditional Access policy"
        await self._writer.send(_write("PATCH", f"{POLICIES}/{id_}", doing, body))
        return PolicyCovers(id_, "extended")


def new_policy(principal: str, state: str) -> JsonObject:
    """Blocks tokens at high risk, for this service principal. Block is the only control that workloads know."""
    return {
        "displayName": RISK_POLICY,
        "state": state,
        "conditions": {
            "clientAppTypes": ["all"],
            "applications": {"includeApplications": ["All"]},
            "clientApplications": {"includeServicePrincipals": [principal], "excludeServicePrincipals": []},
            "servicePrincipalRiskLevels": ["high"],
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    }


def _write(method: Method, path: str, doing: str, body: JsonObject | None) -> Call:
    return Call(
        method,
        path,
        doing,
        WRITE_POLICIES,
        licence=PREMIUM,
        body=body,
        quota=IDENTITY_PROTECTION,
    )


def _inner(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} of the policy is not there")
    return value


def _sendable(value: JsonValue) -> JsonValue:
    """As read, without Graph's annotations, which it does not take back."""
    if isinstance(value, dict):
        return {name: _sendable(each) for name, each in value.items() if "@" not in name}
    return [_sendable(each) for each in value] if isinstance(value, list) else value
