"""sign-out-url-changed: where people are sent when they sign out."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AuditRecord, Known, NotLooked, PartName
from shared.conditions.addresses import AddressFlaw
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.sign_out_url_changed import SignOutUrlChanged
from shared.signal import JsonValue
from tests.conditions.cases import PIPELINE, UNREADABLE, audit, but, case
from tests.fakes import CORDON_PRINCIPAL
from tests.policy.test_audit_grants import prop

OURS, EVIL = "https://contoso.example/out", "https://evil.example/out"


def moved(old: str | None, new: str | None, *, on: str = "Application", **more: object) -> AuditRecord:
    """As the log may write it: a list of one on either side, the empty list for nothing."""
    sides = [json.dumps([] if url is None else [url]) for url in (old, new)]
    change: JsonValue = {"displayName": "LogoutUrl", "oldValue": sides[0], "newValue": sides[1]}
    activity = "Update application" if on == "Application" else "Update service principal"
    return audit(activity, [change], on=on, **more)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (moved(OURS, EVIL), Met),
        (moved(OURS, None), Met),
        (moved(None, EVIL, on="ServicePrincipal"), Met),
        (moved(OURS, OURS), NotMet),
        (moved(OURS, EVIL, by=CORDON_PRINCIPAL), NotMet),
        (moved(OURS, EVIL, result="failure"), NotMet),
        (moved(OURS, EVIL, result="timeout"), Unknown),
        (moved(OURS, EVIL, ago=timedelta(days=8)), NotMet),
        (audit("Update application", [prop("Included Updated Properties", "LogoutUrl")], on="Application"), Unknown),
        (audit("Update application", [prop("Included Updated Properties", "DisplayName")], on="Application"), NotMet),
    ],
)
def test_a_change_on_either_object_counts(record: AuditRecord, answer: type) -> None:
    """Blanking it is a change; a record that names the property and not its values leaves it unknown."""
    assert isinstance(SignOutUrlChanged().check(case(audits=(record,))), answer)


def test_whom_and_where_the_policy_expects() -> None:
    """A pipeline, or a host of one's own; http is never one's own."""
    ours = SignOutUrlChanged(known_domains=("contoso.example",))

    assert isinstance(SignOutUrlChanged(by_other_than=(PIPELINE,)).check(case(audits=(moved(OURS, EVIL),))), Met)
    assert isinstance(
        SignOutUrlChanged(by_other_than=(PIPELINE,)).check(case(audits=(moved(OURS, EVIL, by=PIPELINE),))), NotMet
    )
    assert isinstance(ours.check(case(audits=(moved(None, OURS),))), NotMet)
    assert isinstance(ours.check(case(audits=(moved(None, "http://contoso.example"),))), Met)
    assert isinstance(ours.check(case(audits=(moved(None, EVIL),))), Met)


FOREIGN = SignOutUrlChanged(findings=(AddressFlaw.LOOK_ALIKE, AddressFlaw.FOREIGN_DOMAIN, AddressFlaw.INSECURE))


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (moved(OURS, EVIL), Met),
        (moved(EVIL, OURS), NotMet),
        (moved(EVIL, None), NotMet),
        (moved(OURS, "https://c0ntoso.example/out"), Met),
        (moved(OURS, "http://contoso.example/out"), Met),
        (moved(OURS, "https://partner.example/out"), NotMet),
        (moved(OURS, EVIL, result="timeout"), Unknown),
        (audit("Update application", [prop("Included Updated Properties", "LogoutUrl")], on="Application"), Unknown),
    ],
)
def test_only_what_is_wrong_with_it_counts_where_that_is_asked(record: AuditRecord, answer: type) -> None:
    """By the tenant's verified domains and those that the policy names; the company's own is nobody's business."""
    tenant = but(case(audits=(record,)), domains=Known(frozenset({"contoso.example"})))

    assert isinstance(replace(FOREIGN, known_domains=("partner.example",)).check(tenant), answer)


def test_without_the_tenants_domains_whose_it_is_cannot_be_told() -> None:
    """They are asked for where it hangs on them; what is wrong without them is told without them."""
    seen = but(case(audits=(moved(OURS, EVIL),)), domains=NotLooked())
    finding = FOREIGN.check(seen)

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.DOMAINS}
    assert isinstance(FOREIGN.check(but(seen, domains=UNREADABLE)), Unknown)
    assert isinstance(FOREIGN.check(but(case(audits=(moved(OURS, "http://x.example"),)), domains=NotLooked())), Met)
    assert isinstance(FOREIGN.check(but(case(audits=(moved(OURS, None),)), domains=NotLooked())), NotMet)


def test_the_reason_tells_where_it_leads_now() -> None:
    """And in which record."""
    finding = SignOutUrlChanged().check(case(audits=(moved(OURS, EVIL),)))

    assert isinstance(finding, Met)
    assert f"was set to {EVIL} by service principal" in finding.reason
    assert finding.reason.endswith("(record Directory_1)")


def test_without_the_log_nothing_is_known() -> None:
    """Unread is never unchanged."""
    assert isinstance(SignOutUrlChanged().check(but(case(), audits=UNREADABLE)), Unknown)
