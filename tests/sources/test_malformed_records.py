"""A record that is not what it claims to be is set aside, by name, and nothing else happens."""

import json
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import MalformedSignal
from shared.signal import JsonObject, JsonValue, NotASignal, Signal
from shared.sources import SOURCES, source_named
from shared.sources.interface import Source
from tests.fakes import TENANT_ID
from tests.sources.records import audit, changed, detection, diagnostic, read, risky, sign_in
from tests.sources.test_exposed_secret import record as exposed_record
from tests.sources.test_manual import order
from tests.sources.test_suspect_change import record as suspect_record

FOREIGN = "bbbbbbbb-0000-4000-8000-000000000002"


def deep(levels: int) -> JsonValue:
    value: JsonValue = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("source", "record"),
    [
        ("risk-detection", {}),
        ("risk-detection", detection(id=None)),
        ("risk-detection", detection(id="x" * 201)),
        ("risk-detection", detection(id="a\ud800")),
        ("risk-detection", detection(riskLevel=float("nan"))),
        ("risk-detection", detection(riskLevel=None)),
        ("risk-detection", detection(riskState="at risk")),
        ("risk-detection", detection(servicePrincipalId="payroll-sync")),
        ("risk-detection", detection(servicePrincipalId=None)),
        ("risk-detection", detection(appId="../users")),
        ("risk-detection", detection(lastUpdatedDateTime="yesterday")),
        ("risk-detection", detection(lastUpdatedDateTime="0001-01-01T00:00:00Z")),
        ("risk-detection", detection(lastUpdatedDateTime=20260302)),
        ("risk-detection", detection(keyIds="x")),
        ("risk-detection", detection(keyIds=[{}])),
        ("risk-detection", detection(servicePrincipalDisplayName=7)),
        ("risk-detection", diagnostic("ServicePrincipalRiskEvents", detection(), properties=None)),
        ("risk-detection", diagnostic("ServicePrincipalRiskEvents", detection(), properties="not JSON")),
        ("risk-detection", diagnostic("ServicePrincipalRiskEvents", detection(), tenantId=FOREIGN)),
        ("risk-detection", diagnostic("ServicePrincipalRiskEvents", detection(), tenantId=7)),
        ("risky-service-principal", risky(id="payroll-sync")),
        ("risky-service-principal", risky(riskLastUpdatedDateTime=None)),
        ("risky-service-principal", risky(riskLevel=["high"])),
        (
            "risky-service-principal",
            diagnostic("RiskyServicePrincipals", risky(), resourceId=f"/tenants/{FOREIGN}/providers/x"),
        ),
        ("directory-audit", audit(id=None)),
        ("directory-audit", audit(activityDateTime=None)),
        ("directory-audit", audit(activityDisplayName=None)),
        ("directory-audit", audit(activityDisplayName=" ")),
        ("directory-audit", audit(targetResources={})),
        ("directory-audit", audit(targetResources=["x"])),
        ("directory-audit", audit(target={"id": "payroll-sync", "type": "ServicePrincipal"})),
        ("directory-audit", audit(initiatedBy=[])),
        ("directory-audit", audit(properties=[changed("KeyDescription", [], deep(50))])),
        ("directory-audit", diagnostic("AuditLogs", audit("Update user"), tenantId=FOREIGN)),
    ],
)
def test_what_is_wrong_is_said_with_the_senders_name(source: str, record: JsonObject) -> None:
    """The reason is short and on one line, and repeats nothing of the record."""
    with pytest.raises(MalformedSignal) as problem:
        source_named(source).read(record, TENANT_ID)

    assert problem.value.source == source
    assert len(problem.value.why) < 120
    assert problem.value.why.isprintable()


def test_a_huge_or_bottomless_value_is_read_in_bounds() -> None:
    """Text is cut, and nesting beyond the parser's stack stays the text that it is."""
    huge = read("risk-detection", detection(servicePrincipalDisplayName="x" * 1_000_000))
    bottomless: JsonValue = {"displayName": "KeyDescription", "oldValue": "[]", "newValue": "[" * 100_000}

    assert len(huge.summary) <= 300
    assert read("directory-audit", audit(properties=[bottomless])).subject.principal_id


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
    st.sampled_from(
        ["", "[]", "{}", "null", "[[", '"\\ud800"', "\ud800", "2026-03-02T03:00:00Z", "9999-12-31T23:59:59-14:00"]
    ),
)
values = cast(
    "st.SearchStrategy[JsonValue]",
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)
SHAPES: dict[str, Callable[[], JsonObject]] = {
    "risk-detection": detection,
    "risky-service-principal": risky,
    "directory-audit": lambda: audit(properties=[changed("KeyDescription", [], ["x"])]),
    "exposed-secret": exposed_record,
    "suspect-change": suspect_record,
    "sign-in": sign_in,
    "manual": lambda: order(actions=[{"block-sign-in": {}}]),
}


def mutated(record: JsonValue, data: st.DataObject) -> JsonValue:
    """The record with one thing in it, at any depth, otherwise."""
    if isinstance(record, dict) and record and data.draw(st.integers(0, 5)):
        name = data.draw(st.sampled_from(sorted(record)))
        return {**record, name: mutated(record[name], data)}
    if isinstance(record, list) and record and data.draw(st.integers(0, 5)):
        return [mutated(record[0], data), *record[1:]]
    return data.draw(values)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_record_does_more_than_be_set_aside(source: Source, data: st.DataObject) -> None:
    """Whatever is changed: a signal within its bounds, no signal, or MalformedSignal; never another exception."""
    record = SHAPES[source.name]()
    for _ in range(data.draw(st.integers(1, 3))):
        found = mutated(record, data)
        record = found if isinstance(found, dict) else record
    if data.draw(st.booleans()) and source.categories:
        found = mutated(diagnostic(source.categories[0], record), data)
        record = found if isinstance(found, dict) else record
    assert _stays_in_bounds(source, record)


def _stays_in_bounds(source: Source, record: JsonObject) -> bool:
    try:
        found = source.read(record, TENANT_ID)
    except MalformedSignal as problem:
        return problem.source == source.name and problem.why.isprintable()
    return isinstance(found, NotASignal) or _can_be_kept(found)


def _can_be_kept(signal: Signal) -> bool:
    """It can be stored and printed: one line, no lone surrogates, a key of plain text, a time to reckon with."""
    json.dumps(dict(signal.facts)).encode()
    return (
        signal.summary == signal.summary.encode().decode()
        and len(signal.summary) <= 300
        and "\n" not in signal.summary
        and signal.key.isascii()
        and len(signal.key) < 500
        and 2000 <= signal.observed_at.year <= 2200
    )
