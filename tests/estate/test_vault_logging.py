"""Whether a vault's reads were logged all the while: by the settings, who wrote them when, and the log itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drill.practice import Behaviour
from drill.practice.arm.activity import event
from shared.estate import NO_LOG, Estate, Logging, VaultSeen
from tests.estate.desk import (
    OTHER_SUBSCRIPTION,
    SUBSCRIPTION,
    estate_of,
    known,
    vault_id,
    why_not,
    with_estate,
)
from tests.estate.test_vault_logs import USER, read
from tests.practice.desk import Desk

# The desk's clock stands at 2026-03-02T03:00:00Z.
SINCE = datetime(2026, 1, 31, 3, tzinfo=UTC)
SHOP = VaultSeen(vault_id("shop"), "shop", SUBSCRIPTION, rbac=True)
WORKSPACE = (
    f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces"
)
WORKSPACES = [{"name": name, "id": f"{WORKSPACE}/{name}"} for name in ("ours", "theirs")]


def azure(*, workspace: dict[str, Any] | None = None, **shop: Any) -> dict[str, Any]:
    """One vault that logs to one workspace, as either says."""
    ours = {"name": "ours", "id": f"{WORKSPACE}/ours", **(workspace or {})}
    return {"workspaces": [ours], "vaults": [{"name": "shop", "subscription": SUBSCRIPTION, **shop}]}


def logging(given: dict[str, Any], *, ours: int | None = None, **parts: Any) -> Logging:
    """What is told of the vault, by everything as it is wired. `ours`: only this workspace is read."""

    async def story(estate: Estate, desk: Desk) -> Logging:
        wired = estate
        if ours is not None:
            wired = estate_of(desk.tenant, CORDON_LOG_WORKSPACES=desk.tenant.workspaces[ours])
        return known(await wired.access.logged(SHOP, SINCE))

    return with_estate(story, given, **parts)


def of_others(*times: str) -> dict[str, Any]:
    """Reads by a consumer at these times."""
    return {"keyVaultAudits": [read("db", each, oid=USER) for each in times]}


def history(*changes: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"at": at, "diagnostics": what} for at, what in changes]


@pytest.mark.parametrize(
    ("diagnostics", "logged"),
    [
        (True, True),
        (False, False),
        ({"logs": [{"category": "AuditEvent", "enabled": True}]}, True),
        ({"logs": [{"categoryGroup": "allLogs", "enabled": True}]}, True),
        ({"logs": [{"categoryGroup": "audit", "enabled": False}]}, False),
        ({"logs": [{"category": "AzurePolicyEvaluationDetails", "enabled": True}]}, False),
        ({"workspaceId": None, "storageAccountId": "/subscriptions/x/y"}, False),
    ],
)
def test_a_vault_is_logged_if_its_audit_log_goes_to_a_workspace_of_ours(diagnostics: Any, logged: bool) -> None:
    """A setting without the audit log, or to a place that nobody reads, is none. It logs nothing: that is no doubt."""
    assert logging(azure(diagnostics=diagnostics)) == (Logging() if logged else Logging(NO_LOG, dark=True))


@pytest.mark.parametrize(("target", "logged"), [("ours", True), ("theirs", False)])
def test_a_workspace_that_cordon_does_not_read_is_no_log(target: str, logged: bool) -> None:
    """Only what is asked can answer."""
    given = {**azure(diagnostics={"workspaceId": f"{WORKSPACE}/{target}"}), "workspaces": WORKSPACES}

    assert (logging(given, ours=0).gap is None) is logged


def test_whether_it_is_logged_may_be_unknown() -> None:
    """No right to read the setting, or to see which workspace it names."""

    async def story(estate: Estate, _: Desk) -> None:
        assert "root management group" in why_not(await estate.access.logged(SHOP, SINCE))

    with_estate(story, {**azure(), "permissions": {"reader": []}})


def test_a_setting_for_a_workspace_that_cannot_be_seen_is_unknown() -> None:
    """It may be ours or not."""
    reader = [{"roleDefinitionName": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]

    async def story(estate: Estate, _: Desk) -> None:
        assert "Reader on that workspace" in why_not(await estate.access.logged(SHOP, SINCE))

    with_estate(story, {**azure(), "permissions": {"reader": reader}})


def test_an_activity_log_that_does_not_answer_leaves_it_unknown() -> None:
    """Nobody knows then who switched what."""
    fault = {"service": "arm", "match": "GET *eventtypes*", "kind": "503"}

    async def story(estate: Estate, _: Desk) -> None:
        assert "503" in why_not(await estate.access.logged(SHOP, SINCE))

    with_estate(story, azure(), faults=[fault])


# --- all the while ------------------------------------------------------------------------------------------


def test_a_quiet_vault_whose_setting_nobody_wrote_is_logged() -> None:
    """Nothing in its log for a month is no doubt: the activity log would tell of a change."""
    changes = history(("2025-12-24T10:00:00Z", True))

    assert logging(azure(diagnostics=False, diagnosticsHistory=changes)) == Logging()


def test_a_setting_that_was_switched_on_yesterday_says_nothing_about_the_day_before() -> None:
    """It is there now; what was read before it was there stands nowhere."""
    changes = history(("2026-03-01T10:00:00Z", True))

    found = logging(azure(diagnostics=False, diagnosticsHistory=changes), logs=of_others("2026-03-01T18:00:00Z"))

    assert found.gap is not None
    assert "written once, last at 2026-03-01T10:00:00Z" in found.gap
    assert not found.dark


@pytest.mark.parametrize("off", [False, {"logs": [{"categoryGroup": "audit", "enabled": False}]}])
def test_a_setting_that_was_off_for_a_while_is_not_logged_all_the_while(off: Any) -> None:
    """Off, read, and on again: the log is fed before and after, and holds nothing between."""
    changes = history(("2026-02-20T10:00:00Z", off), ("2026-02-21T10:00:00Z", True))
    lit = of_others("2026-02-10T08:00:00Z", "2026-02-20T16:00:00Z", "2026-02-22T08:00:00Z")

    found = logging(azure(diagnosticsHistory=changes), logs=lit)

    assert found.gap is not None
    assert "between 2026-02-20T10:00:00Z and 2026-02-21T10:00:00Z" in found.gap


def test_a_setting_that_points_elsewhere_for_a_while_is_not_logged_all_the_while() -> None:
    """Deleted in name only: what it sent then, nobody here reads."""
    away = {"workspaceId": f"{WORKSPACE}/theirs"}
    given = azure(diagnosticsHistory=history(("2026-02-20T10:00:00Z", away), ("2026-02-25T10:00:00Z", True)))

    found = logging({**given, "workspaces": WORKSPACES}, ours=0, logs=of_others("2026-02-10T08:00:00Z"))

    assert found.gap is not None


def test_a_setting_that_was_written_anew_as_it_was_is_logged_where_the_log_shows_it() -> None:
    """Deployments write it every week: between two of them a record shows that it was fed."""
    changes = history(("2026-02-12T10:00:00Z", True), ("2026-02-19T10:00:00Z", True), ("2026-02-26T10:00:00Z", True))
    lit = ["2026-02-08T08:00:00Z", "2026-02-15T08:00:00Z", "2026-02-23T08:00:00Z"]

    assert logging(azure(diagnosticsHistory=changes), logs=of_others(*lit)) == Logging()
    assert logging(azure(diagnosticsHistory=changes), logs=of_others(*lit[:2])).gap is not None


def test_what_still_trickles_in_after_it_was_switched_off_is_no_proof_of_the_rest() -> None:
    """A setting is followed late: a record of the first two hours may be of the setting before."""
    changes = history(("2026-02-20T10:00:00Z", True), ("2026-02-25T10:00:00Z", True))
    soon = of_others("2026-02-10T08:00:00Z", "2026-02-20T11:30:00Z")

    assert logging(azure(diagnosticsHistory=changes), logs=soon).gap is not None


def test_another_setting_of_the_vault_may_come_and_go() -> None:
    """Who wrote one setting did not touch the other."""
    ours = {"name": "audit"}
    archive = {"name": "archive", "workspaceId": None, "storageAccountId": "/subscriptions/x/y"}

    async def story(estate: Estate, desk: Desk) -> None:
        vault = desk.tenant.state.vaults["shop"]
        assert len(vault.settings.newest) == 2
        desk.tenant.state.azure.activity.load(
            [
                event_of(desk, f"{vault.resource_id}/providers/Microsoft.Insights/diagnosticSettings/archive"),
                event_of(desk, f"{vault_id('other')}/providers/Microsoft.Insights/diagnosticSettings/audit"),
            ]
        )

        assert known(await estate.access.logged(SHOP, SINCE)) == Logging()

    with_estate(story, azure(diagnostics=[ours, archive]))


@pytest.mark.parametrize(
    "spelled",
    [
        vault_id("shop").replace("practice", "PRACTICE").upper(),
        vault_id("shop").replace("/vaults/", "//vaults/"),
        vault_id("shop").replace("shop", "sho%70"),
    ],
)
def test_whoever_writes_a_setting_cannot_hide_it_by_how_he_spells_its_path(spelled: str) -> None:
    """Capitals, slashes and quoting are the writer's own; the filter by group may mind them."""

    async def story(estate: Estate, desk: Desk) -> None:
        path = f"{spelled}/providers/Microsoft.Insights/diagnosticSettings/audit/"
        desk.tenant.state.azure.activity.load([event_of(desk, path)])

        assert known(await estate.access.logged(SHOP, SINCE)).gap is not None

    with_estate(story, azure())


@pytest.mark.parametrize(("status", "counts"), [("Succeeded", True), ("Started", True), ("Failed", False)])
def test_a_write_that_was_refused_changed_nothing(status: str, counts: bool) -> None:
    """One of which no end is told may have."""

    async def story(estate: Estate, desk: Desk) -> None:
        path = f"{vault_id('shop')}/providers/Microsoft.Insights/diagnosticSettings/audit"
        desk.tenant.state.azure.activity.load([{**event_of(desk, path), "status": {"value": status}}])

        assert (known(await estate.access.logged(SHOP, SINCE)).gap is not None) is counts

    with_estate(story, azure())


def test_a_vault_that_was_deleted_and_recovered_did_not_log_all_the_while() -> None:
    """What it logged ended with it."""

    async def story(estate: Estate, desk: Desk) -> None:
        gone = {**event_of(desk, vault_id("shop")), "operationName": {"value": "Microsoft.KeyVault/vaults/delete"}}
        desk.tenant.state.azure.activity.load([gone])

        assert known(await estate.access.logged(SHOP, SINCE)).gap is not None

    with_estate(story, azure())


def event_of(desk: Desk, path: str, *, seconds: int = 0) -> dict[str, Any]:
    """Somebody wrote a setting ten days ago."""
    at = datetime(2026, 2, 20, tzinfo=UTC) + timedelta(seconds=seconds)
    return event(desk.tenant.state, at, "Microsoft.Insights/DiagnosticSettings/Write", path)


@pytest.mark.parametrize(("seconds", "logged"), [(5, True), (-5, False)])
def test_once_our_setting_is_as_it_is_now_others_may_be_written_as_often_as_they_are(
    seconds: int, logged: bool
) -> None:
    """A deployment writes two in one go. What was written before ours may have been what logged until then."""
    archive = {"name": "archive", "workspaceId": None, "storageAccountId": "/subscriptions/x/y"}

    async def story(estate: Estate, desk: Desk) -> None:
        settings = f"{desk.tenant.state.vaults['shop'].resource_id}/providers/Microsoft.Insights/diagnosticSettings"
        desk.tenant.state.azure.activity.load(
            [event_of(desk, f"{settings}/audit"), event_of(desk, f"{settings}/archive", seconds=seconds)]
        )
        found = known(await estate.access.logged(SHOP, SINCE))

        assert (found == Logging()) is logged

    with_estate(story, azure(diagnostics=[{"name": "audit"}, archive]), logs=of_others("2026-02-10T08:00:00Z"))


@pytest.mark.parametrize(("after", "logged"), [(timedelta(minutes=30), False), (timedelta(hours=3), True)])
def test_what_is_deleted_before_another_setting_is_surely_at_work_leaves_a_gap(after: timedelta, logged: bool) -> None:
    """A new setting for the old one: the one logs no more, and the other may take an hour and a half to begin."""

    async def story(estate: Estate, desk: Desk) -> None:
        settings = f"{desk.tenant.state.vaults['shop'].resource_id}/providers/Microsoft.Insights/diagnosticSettings"
        at = datetime(2026, 2, 20, tzinfo=UTC) + after
        deleted = event(desk.tenant.state, at, "Microsoft.Insights/diagnosticSettings/delete", f"{settings}/old")
        desk.tenant.state.azure.activity.load([event_of(desk, f"{settings}/audit"), deleted])
        found = known(await estate.access.logged(SHOP, SINCE))

        assert (found == Logging()) is logged

    with_estate(story, azure(diagnostics=[{"name": "audit"}]), logs=of_others("2026-02-10T08:00:00Z"))


def test_what_is_switched_on_during_the_look_is_dark_for_a_while() -> None:
    """What is read just after may not be logged yet, although the setting is there."""
    changes = history(("2026-03-02T02:30:00Z", True))

    assert logging(azure(diagnostics=False, diagnosticsHistory=changes)).dark


def test_a_moment_before_the_activity_log_begins_is_not_vouched_for() -> None:
    """It tells ninety days and no more."""

    async def story(estate: Estate, _: Desk) -> None:
        found = known(await estate.access.logged(SHOP, datetime(2025, 11, 1, tzinfo=UTC)))

        assert "90 days" in (found.gap or "")

    with_estate(story, azure(workspace={"retentionInDays": 365}))


def test_many_vaults_of_one_group_are_asked_about_once() -> None:
    """The activity log and the workspace are the same for all of them."""

    async def story(estate: Estate, desk: Desk) -> None:
        for name in ("shop", "bank", "attic"):
            seen = VaultSeen(vault_id(name), name, SUBSCRIPTION, rbac=True)
            assert known(await estate.access.logged(seen, SINCE)) == Logging()

        asked = [each.path for each in desk.tenant.requests]
        assert sum("eventtypes" in each for each in asked) == 2
        assert sum("/tables/" in each for each in asked) == 2

    vaults = [{"name": name, "subscription": SUBSCRIPTION} for name in ("shop", "bank", "attic")]
    with_estate(story, {**azure(), "vaults": vaults}, behaviour=Behaviour.gentle())


# --- the workspace ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workspace", "why"),
    [
        ({"retentionInDays": 7}, "for 7 days only"),
        ({"tables": {"AZKVAuditLogs": 4}}, "for 4 days only"),
        ({"overQuota": ["2026-02-20T10:00:00Z"]}, "daily cap was reached, last at 2026-02-20T10:00:00Z"),
        ({"transforms": {"AZKVAuditLogs": "source | where Identity !has 'x'"}}, "data collection rule"),
        ({"transforms": {"AzureDiagnostics": "source | where 1 == 0"}}, "data collection rule"),
        ({"retentionInDays": 30}, None),
        ({"tables": {"AZKVAuditLogs": 90}, "retentionInDays": 7}, "for 7 days only"),
        ({"overQuota": ["2025-12-20T10:00:00Z"]}, None),
        ({"transforms": {"Syslog": "source | take 1", "AZKVAuditLogs": " source "}}, None),
    ],
)
def test_a_workspace_that_forgets_filters_or_is_full_does_not_hold_all_reads(
    workspace: dict[str, Any], why: str | None
) -> None:
    """Whoever may write it, or send it enough, needs no diagnostic setting."""
    found = logging(azure(workspace=workspace))

    assert (found.gap is None) if why is None else (why in str(found.gap))
    assert found.dark is (why is not None and "days only" not in why)


@pytest.mark.parametrize(("written", "dark"), [("2026-02-28T10:00:00Z", False), ("2026-03-02T02:30:00Z", True)])
def test_a_workspace_that_keeps_little_tells_what_is_read_from_now_on(written: str, dark: bool) -> None:
    """Else all in its vaults would be rotated twice; unless the setting itself is not followed yet."""
    found = logging(
        azure(workspace={"retentionInDays": 7}, diagnostics=False, diagnosticsHistory=history((written, True)))
    )

    assert "for 7 days only" in str(found.gap)
    assert found.dark is dark
