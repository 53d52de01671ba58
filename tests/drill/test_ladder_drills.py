"""A rogue secret beside a busy one, whole: what a ladder comes to where the tenant shows everything, and where not."""

from functools import cache
from typing import Any

from drill.runner import Result, run_scenario
from drill.scenario import SHIPPED, read_scenario

ORDERS = "5b0a11de-9111-4e2b-9c55-6f0d3b8e2a03"
FILE = SHIPPED / "rogue-beside-busy.yaml"


@cache
def played(*changes: tuple[str, str]) -> Result:
    """The first minutes after the detections, with these changes to the file."""
    text = FILE.read_text("utf-8")
    for old, new in (("until: PT3H", "until: PT47M"), *changes):
        assert old in text
        text = text.replace(old, new)
    return run_scenario(read_scenario(text.encode(), FILE))


def of_orders(result: Result) -> dict[str, Any]:
    """The incident that the detection opened."""
    (view,) = (each for each in result.incidents if each["ladder"] and each["identity"]["principal_id"] == ORDERS)
    return dict(view)


def orders_failed(result: Result) -> int:
    """How many of the busy workload's own sign-ins were refused."""
    own = [each for each in result.attempts if each["by"] == f"workload:{ORDERS}"]
    assert len(own) > 2
    return sum(1 for each in own if each["errorCode"] != 0)


def whys(result: Result) -> list[str]:
    return [each for report in result.reports for each in report.why.unknown]


def steps_of(view: dict[str, Any]) -> set[str]:
    return {step["action"] for step in view["steps"]}


UNREADABLE = ("licences: [WorkloadIdentitiesPremium, AAD_PREMIUM]", "licences: [WorkloadIdentitiesPremium]")


def test_just_the_rogue_secret_goes_and_the_busy_one_never_fails() -> None:
    """The view tells the rung, and names the accused credential with the records that name it."""
    view = of_orders(played())

    assert view["ladder"]["rung"] == "remove-one-credential"
    assert view["ladder"]["accusation"]["suspects"][0]["credential_id"] == "5ec7e791-0000-4a00-8a00-000000000002"
    assert {ground["source"] for ground in view["ladder"]["accusation"]["suspects"][0]["grounds"]} == {
        "audit",
        "sign-in",
    }
    assert orders_failed(played()) == 0


def test_without_the_sign_in_log_every_credential_goes() -> None:
    """Nobody can tell which one is abused: the stronger rung, and the reason names the log."""
    result = played(UNREADABLE)
    ladder = of_orders(result)["ladder"]

    assert ladder["rung"] == "replace-all"
    (passed,) = (each for each in ladder["passed"] if each["rung"] == "remove-one-credential")
    assert (passed["kind"], "sign-in log could not be read" in passed["why"]) == ("unknown", True)
    assert orders_failed(result) > 0


def test_without_the_sign_in_log_a_rule_that_asks_asks() -> None:
    """The plan is ready, of the stronger rung, and nothing was changed."""
    asking = ("        verdict: contain\n        independent: 2\n", "        verdict: ask\n")
    result = played(UNREADABLE, asking)
    view = of_orders(result)

    assert (view["status"], view["ladder"]["rung"]) == ("awaiting-approval", "replace-all")
    assert steps_of(view) == {"replace-credentials", "confirm-compromised"}
    assert orders_failed(result) == 0


def test_a_rule_that_wants_two_sources_asks_where_one_speaks() -> None:
    """Without the audit record there is only the detection; the reason says which one is missing."""
    there = f"        - id: {ORDERS}\n          type: ServicePrincipal\n"
    elsewhere = (there, there.replace("9111", "9222"))
    either = (
        "          all:\n            - risk-detection: {types: [suspiciousSignins], levels: [medium, high]}\n",
        "          any:\n            - risk-detection: {types: [suspiciousSignins], levels: [medium, high]}\n",
    )
    old = ('"2026-03-02T02:10:00Z", endDateTime', '"2026-02-20T02:10:00Z", endDateTime')
    result = played(elsewhere, either, old)
    view = of_orders(result)

    assert view["status"] == "awaiting-approval"
    assert any("2 independent sources are needed" in why for why in whys(result))
    assert orders_failed(result) == 0


def test_a_ladder_of_one_rung_is_that_rung() -> None:
    """What a rule's `actions` would do as well, with the reason on record."""
    result = played(("ladder: default", "ladder: [disable]"))

    assert (
        of_orders(result)["ladder"]["because"] == "the identity gets no new tokens in this tenant, whatever is abused"
    )
    assert orders_failed(result) > 0
