"""
What the vaults' audit logs tell, through Log Analytics (facts: azure 3.4).

Both tables are asked, for a diagnostic setting chooses between them; columns of the older one exist only once
something was written to them, and in a table with too many of them they stand in one bag. A record that does not say
whether the read succeeded counts as one that did; one that does not say who read is given as of nobody; and one that
does not say what was read leaves the whole answer unknown. The first line of each question names it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.clients.azure_answers import as_part, readable
from shared.clients.graph_shapes import Unreadable, text_of
from shared.clients.workspaces import Workspaces, kusto_time, moment_of
from shared.estate import NOBODY, SecretRead, SecretRef
from shared.identity import ClientId, PrincipalId, canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.together import together

_SECRETS_A_QUERY = 200
_MOST_VERSIONS = 50  # that the query gives; where there are as many, there may be more
_VAULT = re.compile(r"[a-z0-9-]{3,24}")
_SECRET = re.compile(r"[0-9a-zA-Z-]{1,127}")
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
ALL_READS = f"""let ops=dynamic(['SecretGet','SecretBackup','SecretGetDeleted','CertificateBackup']);
union isfuzzy=true
(AZKVAuditLogs | where TimeGenerated > t0 and OperationName in~ (ops)
| extend c=todynamic(Identity).claim
| project TimeGenerated, status=toint(HttpStatusCode), \
oid=coalesce(tostring(c.oid), tostring(c['{_OBJECT_ID}'])), app=tostring(c.appid), \
u=strcat(Id, ' ', RequestUri), ip=CallerIpAddress, vault=tolower(_ResourceId)),
(AzureDiagnostics | where TimeGenerated > t0 and ResourceProvider =~ 'MICROSOFT.KEYVAULT' and OperationName in~ (ops)
| extend more=todynamic(column_ifexists('AdditionalFields', ''))
| project TimeGenerated, \
status=coalesce(toint(column_ifexists('httpStatusCode_d', real(null))), toint(more.httpStatusCode_d)), \
oid=coalesce(tostring(column_ifexists('identity_claim_oid_g', '')), \
tostring(column_ifexists('identity_claim_http_schemas_microsoft_com_identity_claims_objectidentifier_g', '')), \
tostring(more.identity_claim_oid_g), \
tostring(more.identity_claim_http_schemas_microsoft_com_identity_claims_objectidentifier_g)), \
app=coalesce(tostring(column_ifexists('identity_claim_appid_g', '')), tostring(more.identity_claim_appid_g)), \
u=strcat(tostring(column_ifexists('id_s', '')), ' ', tostring(more.id_s), ' ', \
tostring(column_ifexists('requestUri_s', '')), ' ', tostring(more.requestUri_s)), \
ip=tostring(column_ifexists('CallerIPAddress', '')), vault=tolower(ResourceId))
| where isnull(status) or status == 200
| extend secret=extract(@'(?i)/(?:deleted)?(?:secrets|certificates)/([^/? ]+)', 1, u), \
version=tolower(extract(@'(?i)/secrets/[^/? ]+/([0-9a-f]{{32}})', 1, u))"""
_SUMMARY = """| summarize reads=count(), firstRead=min(TimeGenerated), lastRead=max(TimeGenerated), \
ips=make_set(ip, 20), versions=make_set(version, 50) by vault, secret, oid, app
| project vault, secret, oid, app, reads, firstRead, lastRead, ips, versions
"""


class LogAnalytics:
    """See `shared.estate.VaultLogs`. Goes as the reader identity."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def reads_by(self, principal: PrincipalId, client: ClientId, since: datetime) -> Part[tuple[SecretRead, ...]]:
        """See `VaultLogs`. Reads on behalf of a user carry the user's object id, and the identity's client id."""
        lets = f"let oid='{canonical_guid(principal)}'; let app='{canonical_guid(client)}'; {_since(since)}"
        whose = f"| where oid =~ '{principal}' or app =~ '{client}' or (isempty(oid) and isempty(app))"
        return await self._asked([f"// cordon:reads-by\n{lets}\n{ALL_READS}\n{whose}\n{_SUMMARY}"])

    async def readers_of(self, secrets: Sequence[SecretRef], since: datetime) -> Part[tuple[SecretRead, ...]]:
        """See `VaultLogs`."""
        names = sorted({f"{each.vault}/{each.name}" for each in secrets if _is_name(each)})
        if len(names) < len(set(secrets)):
            return CouldNotLook("one of the secrets has a name that no secret can have")
        queries = [
            _readers_query(names[start : start + _SECRETS_A_QUERY], since)
            for start in range(0, len(names), _SECRETS_A_QUERY)
        ]
        return await self._asked(queries)

    async def _asked(self, queries: Sequence[str]) -> Part[tuple[SecretRead, ...]]:
        """What all workspaces say, or why that is not the whole."""
        asked = [as_part(self._rows(workspace, query)) for workspace in self._workspaces.ids for query in queries]
        parts: tuple[Part[list[SecretRead]], ...] = await together(*asked)
        failed = [each for each in parts if not isinstance(each, Known)]
        if failed:
            why = "; ".join(dict.fromkeys(_why(each) for each in failed))
            later = all(isinstance(each, CouldNotLook) and each.may_help_later for each in failed)
            return CouldNotLook(why, may_help_later=later)
        return Known(tuple(read for part in parts if isinstance(part, Known) for read in part.value))

    async def _rows(self, workspace: str, query: str) -> list[SecretRead]:
        doing = f"asking workspace {workspace} who read which secret"
        rows = await self._workspaces.rows(workspace, query, doing)
        return readable(doing, lambda: [_read(row) for row in rows])


def _readers_query(names: Sequence[str], since: datetime) -> str:
    wanted = f"let wanted=dynamic([{','.join(json.dumps(each) for each in names)}]); {_since(since)}"
    only = "| where strcat(tostring(split(vault, '/')[-1]), '/', tolower(secret)) in (wanted)"
    return f"// cordon:readers-of\n{wanted}\n{ALL_READS}\n{only}\n{_SUMMARY}"


def _since(moment: datetime) -> str:
    return f"let t0={kusto_time(moment)};"


def _is_name(ref: SecretRef) -> bool:
    return _VAULT.fullmatch(ref.vault) is not None and _SECRET.fullmatch(ref.name) is not None


def _why(part: NotLooked | CouldNotLook) -> str:
    return part.why if isinstance(part, CouldNotLook) else "nobody has looked"


def _read(row: JsonObject) -> SecretRead:
    oid, app = text_of(row, "oid").lower(), text_of(row, "app").lower()
    ref = SecretRef(text_of(row, "vault").lower().rpartition("/")[2], text_of(row, "secret").lower())
    if not _is_name(ref):
        raise Unreadable("a row names a secret that is none")
    versions = _set(row, "versions")
    return SecretRead(
        secret=ref,
        versions=tuple(each for each in versions if each),
        first=moment_of(row, "firstRead"),
        last=moment_of(row, "lastRead"),
        count=int(cast("int", row["reads"])),
        addresses=tuple(each for each in _set(row, "ips") if each),
        reader=oid or app or NOBODY,
        client=app or None,
        unnamed="" in versions or len(versions) >= _MOST_VERSIONS,
    )


def _set(row: JsonObject, name: str) -> tuple[str, ...]:
    """A dynamic column travels as JSON in a text."""
    value = row.get(name)
    found: JsonValue = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        raise Unreadable(f"{name} is not a list")
    return _texts(found)


def _texts(values: Iterable[JsonValue]) -> tuple[str, ...]:
    return tuple(sorted(each for each in values if isinstance(each, str)))
