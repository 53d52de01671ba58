"""Log Analytics on the practice tenant: late, sometimes partial, and honest about it. Azure notes, section 3.4."""

import asyncio
import json
from typing import Any

import pytest

from drill.practice import Behaviour
from tests.practice.desk import APP_ID, PRINCIPAL, Desk, Reply, at_the_desk

LOGS = "https://api.loganalytics.io"
VAULT = "/subscriptions/s1/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop"
COLUMNS = "| project vault, secret, oid, app, reads, firstRead, lastRead, ips, versions"
BY = f"""// cordon:reads-by
let oid='{PRINCIPAL}'; let app='{APP_ID}'; let t0=datetime(2026-02-01T00:00:00Z);
union isfuzzy=true (AZKVAuditLogs), (AzureDiagnostics) {COLUMNS}"""
OF = f"""// cordon:readers-of
let wanted=dynamic(["shop/db"]); let t0=datetime(2026-02-01T00:00:00Z);
AZKVAuditLogs {COLUMNS}"""


def read(name: str, time: str, **more: Any) -> dict[str, Any]:
    """An audit record of somebody's reading."""
    claim = {"appid": APP_ID, "oid": PRINCIPAL, **more.pop("claim", {})}
    return {
        "time": time,
        "resourceId": VAULT.upper(),
        "operationName": "SecretGet",
        "resultSignature": "OK",
        "callerIpAddress": "198.51.100.9",
        "identity": {"claim": claim},
        "properties": {
            "id": f"https://shop.vault.azure.net/secrets/{name}",
            "requestUri": f"https://shop.vault.azure.net:8443/secrets/{name}?api-version=7.4",
            "httpStatusCode": 200,
            **more.pop("properties", {}),
        },
        **more,
    }


def azure(**vault: Any) -> dict[str, Any]:
    return {"vaults": [{"name": "shop", "subscription": "s1", "secrets": [{"name": "db"}], **vault}]}


HISTORY = {
    "keyVaultAudits": [
        read("db", "2026-02-20T10:00:00Z"),
        read("db/0123456789abcdef0123456789abcdef", "2026-02-21T10:00:00Z", callerIpAddress="198.51.100.10"),
        read("old", "2026-01-20T10:00:00Z"),
        read("refused", "2026-02-22T10:00:00Z", properties={"httpStatusCode": 403}),
        read("names", "2026-02-22T10:00:00Z", operationName="SecretList"),
        read("db", "2026-02-23T10:00:00Z", claim={"oid": "a user", "appid": "another"}),
    ]
}


async def query(desk: Desk, text: str, role: str = "reader", workspace: str = "", **body: Any) -> Reply:
    """One query to a workspace."""
    token = desk.token(role, f"{LOGS}/.default")
    url = f"{LOGS}/v1/workspaces/{workspace or desk.tenant.workspaces[0]}/query"
    return await desk.raw("POST", url, {"query": text, **body}, token=token)


def rows(reply: Reply) -> list[dict[str, Any]]:
    (table,) = reply.body["tables"]
    return [dict(zip((column["name"] for column in table["columns"]), row, strict=True)) for row in table["rows"]]


def test_reads_by_an_identity_are_told_secret_by_secret() -> None:
    """Successful reads of values since a time, with versions, addresses and first and last time (Azure 3.4)."""

    async def story(desk: Desk) -> None:
        reply = await query(desk, BY)
        (row,) = rows(reply)

        assert reply.body["tables"][0]["columns"][7] == {"name": "ips", "type": "dynamic"}
        assert (row["vault"], row["secret"], row["reads"]) == (VAULT.lower(), "db", 2)
        assert (row["firstRead"], row["lastRead"]) == ("2026-02-20T10:00:00Z", "2026-02-21T10:00:00Z")
        assert json.loads(row["versions"]) == ["", "0123456789abcdef0123456789abcdef"]
        assert json.loads(row["ips"]) == ["198.51.100.9", "198.51.100.10"]

    at_the_desk(story, azure=azure(), logs=HISTORY)


def test_readers_of_a_secret_are_all_who_read_it() -> None:
    """They are who breaks when it changes (Azure 4)."""

    async def story(desk: Desk) -> None:
        assert {row["oid"] for row in rows(await query(desk, OF))} == {PRINCIPAL, "a user"}

    at_the_desk(story, azure=azure(), logs=HISTORY)


def test_a_timespan_counts_beside_what_the_query_says() -> None:
    """The SDK demands one; it narrows (Azure 3.4)."""

    async def story(desk: Desk) -> None:
        (row,) = rows(await query(desk, BY, timespan="2026-02-21T00:00:00Z/2026-03-01T00:00:00Z"))
        none = rows(await query(desk, BY, timespan="PT1H"))

        assert row["reads"] == 1
        assert none == []

    at_the_desk(story, azure=azure(), logs=HISTORY)


def test_what_was_read_just_now_is_not_in_the_log_yet() -> None:
    """Up to ten minutes (Azure 3.4): no row is no proof."""

    async def story(desk: Desk) -> None:
        secret = await desk.secrets("rotator", "shop").get_secret("db")
        at_once = rows(await query(desk, OF))
        await asyncio.sleep(301)
        (row,) = rows(await query(desk, OF))

        assert secret.value
        assert at_once == []
        assert row["oid"] == desk.tenant.cordon["rotator"].object_id

    at_the_desk(story, behaviour=Behaviour.gentle(vault_log_delay=(300.0, 300.0)), azure=azure())


@pytest.mark.parametrize(
    "settings",
    [
        False,
        {"logs": [{"categoryGroup": "audit", "enabled": False}]},
        {"logs": [{"category": "AzurePolicyEvaluationDetails", "enabled": True}]},
        {"workspaceId": None, "storageAccountId": "/subscriptions/s1/x"},
    ],
)
def test_a_vault_that_logs_nowhere_has_no_rows(settings: object) -> None:
    """No row is not "not read" (Azure 3.4)."""

    async def story(desk: Desk) -> None:
        reply = await query(desk, BY)

        assert reply.status == 200
        assert rows(reply) == []

    at_the_desk(story, azure=azure(diagnostics=settings), logs=HISTORY)


def test_a_partial_result_is_a_200_with_an_error_beside_the_tables() -> None:
    """Whoever does not look at the status takes half for the whole (Azure 3.4)."""

    async def story(desk: Desk) -> None:
        reply = await query(desk, OF)
        fault = await query(desk, OF)

        assert (reply.status, reply.body["error"]["code"]) == (200, "PartialError")
        assert len(rows(reply)) == 1
        assert "error" not in fault.body

    faults = [{"service": "logs", "match": "POST /v1/*", "kind": "partial", "count": 1}]
    at_the_desk(story, azure=azure(), logs=HISTORY, faults=faults)


def test_only_who_may_read_a_workspace_can_ask_it() -> None:
    """And the answer does not tell a missing one from a closed one."""

    async def story(desk: Desk) -> None:
        refused = await query(desk, BY, role="rotator")
        missing = await query(desk, BY, workspace="0f0f0f0f-0000-4000-8000-000000000000")

        assert (refused.status, refused.code) == (403, "InsufficientAccessError")
        assert (missing.status, missing.code) == (403, "InsufficientAccessError")

    at_the_desk(story, azure=azure())


@pytest.mark.parametrize(
    "text",
    [
        "AZKVAuditLogs | take 10",
        BY.replace("reads-by", "reads"),
        BY.replace(PRINCIPAL, "x' or 'a'=='a"),
        BY.replace("let app=", "let apl="),
        BY.replace("2026-02-01T00:00:00Z", "yesterday"),
        BY.replace("| project vault", "| project nonsense, vault"),
        OF.replace("shop/db", 'shop/db"]); AZKVAuditLogs //'),
    ],
)
def test_what_is_no_question_of_cordon_s_is_a_syntax_error(text: str) -> None:
    """Values are read strictly: a name that ends its string is no name (invariant I10)."""

    async def story(desk: Desk) -> None:
        reply = await query(desk, text)

        assert reply.status == 400
        assert reply.body["error"]["innererror"]["code"] == "SyntaxError"

    at_the_desk(story, azure=azure(), logs=HISTORY)
