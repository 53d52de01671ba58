"""Microsoft Graph as the directory of identities: look at them, and take away what they sign in with and may do."""

import hashlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.case import HolderKind, IdentityState, Part, PartName, RiskState
from shared.clients.answers import Call
from shared.clients.deleted_items import DeletedItems
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_look import Looking
from shared.clients.graph_people import PeopleLook
from shared.clients.graph_requests import PREMIUM, READ_DIRECTORY, WITH_KEYS, filtered
from shared.clients.graph_shapes import Unreadable, public_keys_of
from shared.clients.identity_logs import NO_LOGS, IdentityLogs
from shared.clients.pacing import DIRECTORY_WRITES, IDENTITY_PROTECTION, KEY_SELECTS
from shared.clients.passwords import add_password
from shared.clients.patience import Patience, Trouble, persist
from shared.clients.risk_policy import RiskPolicyWriter
from shared.clients.write_calls import WRITE_DIRECTORY, Write
from shared.clients.write_lane import WriteLane
from shared.errors import Gone, PlatformRefused, UnavailableInCloud, Unreachable
from shared.identity import AppObjectId, IdentityRef, PrincipalId, canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.tenant import (
    AccessWrite,
    Check,
    CredentialWrite,
    Gathered,
    NewPassword,
    PolicyCovers,
    WriteRefused,
    WriteResult,
    unchecked,
)

WRITE_RISK = "IdentityRiskyServicePrincipal.ReadWrite.All"
_GROUP = "#microsoft.graph.group"
_IDS_A_CALL = 60  # facts: riskyserviceprincipal-dismiss; confirmCompromised names no limit


class GraphDirectory:
    """
    See `shared.tenant.Directory`. Reads go through the reader identity, writes through the executor.

    `writer` is None where no executor is configured: then every write is refused before it is sent.
    """

    def __init__(
        self,
        reader: GraphHttp,
        writer: GraphHttp | None,
        tenant_id: str,
        *,
        cloud: str | None = None,
        replication: Patience | None = None,
        logs: IdentityLogs = NO_LOGS,
    ) -> None:
        """
        `cloud` names a cloud without identity protection; `replication` is how a 404 to a write is waited out; `logs`
        are asked where Graph does not answer.
        """
        self._reader, self._writer, self._logs = reader, writer, logs
        self._tenant_id, self._cloud = tenant_id, cloud
        self._replication = replication or Patience(attempts=5, waiting=20.0)

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        """See `Directory`."""
        looking = Looking(self._reader, subject, parts, self._tenant_id, self._cloud)
        return await self._logs.complete(await looking.run(), looking.ids, self._reader.clock())

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        """See `Directory`."""
        return await PeopleLook(self._reader, gathered, now, self._cloud).look(parts)

    async def risk_of_users(self, users: Sequence[str]) -> Mapping[str, Part[RiskState | None]]:
        """See `Directory`."""
        return await PeopleLook(self._reader, Gathered(), self._reader.clock(), self._cloud).risks(users)

    async def find_deleted(self, subject: IdentityRef) -> IdentityState | None:
        """See `Directory`."""
        return await DeletedItems(self._reader, self._tenant_id).find(subject)

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        """See `Directory`. High priority, and nothing else in the request: a batch is as slow as its slowest part."""
        call = Call(
            "PATCH",
            f"/servicePrincipals/{canonical_guid(principal)}",
            f"{'allowing' if enabled else 'blocking'} sign-in of service principal {principal}",
            WRITE_DIRECTORY,
            body={"accountEnabled": enabled},
            quota=DIRECTORY_WRITES,
        )
        await self._write(call)

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        """See `Directory`."""
        call = Call(
            "PATCH",
            f"/applications/{canonical_guid(application)}",
            f"{'deactivating' if disabled else 'activating'} application {application}",
            WRITE_DIRECTORY,
            body={"isDisabled": disabled},
            quota=DIRECTORY_WRITES,
        )
        await self._write(call)

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        """See `Directory`."""
        await self._tell_protection(principals, "confirmCompromised", "confirming {} identities as compromised")

    async def dismiss_risk(self, principals: Sequence[PrincipalId]) -> None:
        """See `Directory`."""
        await self._tell_protection(principals, "dismiss", "dismissing the risk of {} identities")

    async def cover_by_risk_policy(
        self, principal: PrincipalId, state: str, *, sent_before: bool, check: Check = unchecked
    ) -> PolicyCovers:
        """See `Directory`."""
        doing = "covering the identity by Cordon's Conditional Access policy"
        if self._cloud is not None:
            raise UnavailableInCloud(doing=doing, cloud=self._cloud)
        if self._writer is None:
            raise _no_executor(doing)
        return await RiskPolicyWriter(self._reader, self._writer).cover(
            principal, state, sent_before=sent_before, check=check
        )

    async def _tell_protection(self, principals: Sequence[PrincipalId], what: str, doing: str) -> None:
        ids = [canonical_guid(each) for each in principals]
        for start in range(0, len(ids), _IDS_A_CALL):
            some: list[JsonValue] = list(ids[start : start + _IDS_A_CALL])
            call = Call(
                "POST",
                f"/identityProtection/riskyServicePrincipals/{what}",
                doing.format(len(some)),
                WRITE_RISK,
                licence=PREMIUM,
                body={"servicePrincipalIds": some},
                quota=IDENTITY_PROTECTION,
            )
            self._check_cloud(call)
            await self._sender(call).send(call)

    async def count_enabled_principals(self) -> int:
        """See `Directory`. `$count` needs ConsistencyLevel eventual (facts: Graph advanced queries)."""
        call = Call(
            "GET",
            filtered("/servicePrincipals/$count", "accountEnabled eq true"),
            "counting the enabled service principals",
            READ_DIRECTORY,
            headers={"ConsistencyLevel": "eventual"},
        )
        text = (await self._reader.send_text(call)).strip()
        if not (text.isascii() and text.isdigit()):
            raise Unreachable(call.doing, "the answer is not a number")
        return int(text)

    async def transitive_groups(self, principal: PrincipalId) -> tuple[str, ...]:
        """See `Directory`. The answer holds directory roles and administrative units as well (facts: Graph 4)."""
        path = f"/servicePrincipals/{canonical_guid(principal)}/transitiveMemberOf"
        call = Call("GET", path, f"reading the groups that service principal {principal} is in", READ_DIRECTORY)
        found = [each async for page in self._reader.pages(call) for each in page]
        return tuple(_group_id(each, call) for each in found if each.get("@odata.type") == _GROUP)

    async def key_digests(self, application: AppObjectId) -> Mapping[str, str]:
        """See `Directory`. `key` is null unless it is selected (facts: Graph application-get)."""
        call = Call(
            "GET",
            f"/applications/{canonical_guid(application)}{WITH_KEYS}",
            f"reading the keys of application {application}",
            READ_DIRECTORY,
            quota=KEY_SELECTS,
        )
        found = (await self._reader.send(call)).get("keyCredentials")
        if not isinstance(found, list):
            raise Unreachable(call.doing, "the answer holds no list of keys")
        return dict(_digest_of(entry, call) for entry in found)

    async def leave_risk_policy(
        self, principal: PrincipalId, policy_id: str, *, delete_if_ours: bool, check: Check = unchecked
    ) -> None:
        """See `Directory`."""
        doing = "taking the identity out of Cordon's Conditional Access policy"
        if self._cloud is not None:
            raise UnavailableInCloud(doing=doing, cloud=self._cloud)
        if self._writer is None:
            raise _no_executor(doing)
        writer = RiskPolicyWriter(self._reader, self._writer)
        await writer.leave(principal, policy_id, delete_if_ours=delete_if_ours, check=check)

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        """See `Directory`."""
        collection = "applications" if holder is HolderKind.APPLICATION else "servicePrincipals"
        call = Call(
            "GET",
            f"/{collection}/{canonical_guid(object_id)}{WITH_KEYS}",
            f"reading the public keys of {object_id}",
            READ_DIRECTORY,
            quota=KEY_SELECTS,
        )
        try:
            return public_keys_of(await self._reader.send(call))
        except Unreadable as problem:
            raise Unreachable(call.doing, f"the answer holds no list of keys: {problem}") from problem

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        """See `Directory`."""
        return await self._write_in_order(writes, "changing credentials")

    async def add_password(
        self, holder: HolderKind, object_id: str, name: str, expires: datetime, check: Check = unchecked
    ) -> NewPassword:
        """See `Directory`."""
        if self._writer is None:
            raise _no_executor("making a new client secret")
        return await add_password(self._writer, holder, object_id, name, expires, check)

    async def write_access(self, writes: Sequence[AccessWrite]) -> Sequence[WriteResult]:
        """See `Directory`."""
        return await self._write_in_order(writes, "changing what an identity may do")

    async def _write_in_order(self, writes: Sequence[Write], doing: str) -> Sequence[WriteResult]:
        if self._writer is None:
            return [WriteRefused(_no_executor(doing)) for _ in writes]
        return await WriteLane(self._writer, writes).run()

    async def _write(self, call: Call) -> None:
        """Send a write; a 404 is waited out, because the object was seen a moment ago."""
        sender = self._sender(call)

        async def attempt() -> None:
            try:
                await sender.send(call)
            except Gone as gone:
                raise Trouble(gone, again=True) from gone

        await persist(attempt, self._replication, sender.random, call.doing)

    def _sender(self, call: Call) -> GraphHttp:
        if self._writer is None:
            raise _no_executor(call.doing)
        return self._writer

    def _check_cloud(self, call: Call) -> None:
        if self._cloud is not None:
            raise UnavailableInCloud(doing=call.doing, cloud=self._cloud)


def _group_id(record: JsonObject, call: Call) -> str:
    try:
        return canonical_guid(str(record.get("id")))
    except ValueError as error:
        raise Unreachable(call.doing, "a group comes without its id") from error


def _no_executor(doing: str) -> PlatformRefused:
    return PlatformRefused(doing=doing, code="no-executor", why="CORDON_EXECUTOR_CLIENT_ID is not set.")


def _digest_of(entry: JsonValue, call: Call) -> tuple[str, str]:
    try:
        if isinstance(entry, dict) and isinstance(entry["key"], str) and isinstance(entry["keyId"], str):
            return entry["keyId"], hashlib.sha256(b64decode(entry["key"], validate=True)).hexdigest()
    except (KeyError, ValueError) as error:
        raise Unreachable(call.doing, "a key cannot be read") from error
    raise Unreachable(call.doing, "a key comes without its public part")
