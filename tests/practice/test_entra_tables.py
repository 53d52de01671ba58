"""Entra's tables in Log Analytics on the practice tenant: strict, late, and empty where nobody sends them anything."""

from typing import Any

import pytest

from drill.practice import Behaviour
from tests.practice.desk import PRINCIPAL, SECRET, Desk, at_the_desk, payroll
from tests.practice.test_log_queries import query, rows

TABLE = "AADServicePrincipalSignInLogs"
COVERAGE = f"""// cordon:coverage
let t0=datetime(2026-01-01T00:00:00Z);
{TABLE}
| project begun, ended, ticks"""
SIGN_INS = f"""// cordon:sign-ins
let sp='{PRINCIPAL}'; let codes=dynamic(["0"]); let t0=datetime(2026-02-01T00:00:00Z);
{TABLE}
| top 2 by TimeGenerated desc
| project at=TimeGenerated, id=Id, code=ResultType, kind=x, token=UniqueTokenIdentifier"""
HISTORY: dict[str, Any] = {
    "signIns": [
        {
            "id": f"s{day}",
            "createdDateTime": f"2026-02-{day:02d}T10:00:00Z",
            "servicePrincipalId": PRINCIPAL,
            "servicePrincipalCredentialKeyId": SECRET,
            "clientCredentialType": "clientSecret",
        }
        for day in (10, 12, 14)
    ]
}
EXPORTED: dict[str, Any] = {"entraDiagnosticSettings": [{}]}


def test_a_question_gives_the_newest_rows_that_it_asks_for() -> None:
    """ResultType is a text, and columns that the documents do not name are empty (Graph 3)."""

    async def story(desk: Desk) -> None:
        first, second = rows(await query(desk, SIGN_INS))

        assert (first["id"], second["id"]) == ("s14", "s12")
        assert (first["code"], first["kind"]) == ("0", "")
        assert len(first["token"]) == 22

    at_the_desk(story, azure=EXPORTED, logs=HISTORY)


def test_a_table_that_nobody_writes_to_is_unknown_or_empty() -> None:
    """Unverified which: a table comes to be with its first record; or it is there, and gives no row at all."""

    async def unknown(desk: Desk) -> None:
        refused = await query(desk, COVERAGE)

        assert refused.status == 400
        assert TABLE in str(refused.body["error"]["innererror"]["innererror"])

    async def empty(desk: Desk) -> None:
        assert rows(await query(desk, COVERAGE)) == []
        assert rows(await query(desk, SIGN_INS)) == []

    at_the_desk(unknown, logs=HISTORY)
    at_the_desk(empty, logs=HISTORY, behaviour=Behaviour.gentle(unsent_tables="empty"))


def test_a_table_holds_what_came_since_the_setting_was_made() -> None:
    """Only of the categories that it names."""
    settings = [{"since": "2026-02-11T00:00:00Z"}]
    other = [{"logs": [{"category": "ManagedIdentitySignInLogs", "enabled": True}]}]

    async def story(desk: Desk) -> None:
        row, last = rows(await query(desk, COVERAGE))

        assert (row["begun"], last["ended"]) == ("2026-02-12T10:00:00.0000000Z", "2026-02-14T10:00:00.0000000Z")

    async def none(desk: Desk) -> None:
        assert rows(await query(desk, COVERAGE)) == []

    at_the_desk(story, azure={"entraDiagnosticSettings": settings}, logs=HISTORY)
    empty = Behaviour.gentle(unsent_tables="empty")
    at_the_desk(none, azure={"entraDiagnosticSettings": other}, logs=HISTORY, behaviour=empty)


@pytest.mark.parametrize(
    "text",
    [
        SIGN_INS.replace(TABLE, "SigninLogs"),
        SIGN_INS.replace(f"\n{TABLE}\n", "\n"),
        SIGN_INS.replace(PRINCIPAL, "x' or 'a'=='a"),
        SIGN_INS.replace('["0"]', '["0"]); AuditLogs | take 1 //'),
        SIGN_INS.replace("| top 2 by TimeGenerated desc\n", ""),
        SIGN_INS.replace("kind=x", "UserAgent=x"),
    ],
)
def test_what_is_no_question_of_cordon_s_is_a_syntax_error(text: str) -> None:
    """Another table, no table, a value that ends its text, no bound, a column that is not there."""

    async def story(desk: Desk) -> None:
        assert (await query(desk, text)).status == 400

    at_the_desk(story, payroll(), azure=EXPORTED, logs=HISTORY)
