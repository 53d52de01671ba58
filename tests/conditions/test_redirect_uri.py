"""redirect-uri and identifier-uri: addresses that are not the tenant's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Addresses, AuditRecord, Case, Known, NotLooked, PartName, Provenance
from shared.conditions.addresses import AddressFlaw
from shared.conditions.identifier_uri import IdentifierUriSuspect
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.redirect_uri import RedirectUriSuspect
from shared.identity import IdentityKind
from shared.signal import JsonObject, JsonValue
from tests.conditions.cases import UNREADABLE, audit, but, case, having
from tests.fakes import payroll

EVIL = "https://evil.example/cb"
OURS = "https://payroll.contoso.example/cb"
BY_NAME = (AddressFlaw.LOOPBACK, AddressFlaw.CUSTOM_SCHEME)
DAY = timedelta(hours=24)


def sends_to(*uris: str, identifiers: tuple[str, ...] = (), of: Case | None = None) -> Case:
    web: JsonValue = {"redirectUris": list(uris)}
    platforms: JsonObject = {"web": web, "spa": {}, "publicClient": {}}
    state = replace(payroll(), addresses=Addresses(platforms, identifiers))
    return having(of or case(), state)


def foreign(*uris: str) -> Case:
    """An application of another tenant: the service principal's own copies are all there is."""
    state = payroll(kind=IdentityKind.FOREIGN)
    return having(case(), replace(state, provenance=Provenance(None, None, None, uris, None)))


def changed(old: list[str] | None, new: list[str], *, name: str = "AppAddress", ago: float = 1) -> AuditRecord:
    def side(uris: list[str] | None) -> JsonValue:
        return None if uris is None else [{"Address": uri, "ReplyAddressClientType": 1} for uri in uris]

    change: JsonValue = {"displayName": name, "oldValue": side(old), "newValue": side(new)}
    return audit("Update application", [change], on="Application", ago=timedelta(hours=ago))


@pytest.mark.parametrize(
    ("uri", "flaw"),
    [
        (OURS, None),
        ("https://login.microsoftonline.com/common/oauth2/nativeclient", None),
        ("msal20000000-0000-4000-8000-000000000001://auth", None),
        (EVIL, AddressFlaw.FOREIGN_DOMAIN),
        ("https://evil.example\\@contoso.example/cb", AddressFlaw.FOREIGN_DOMAIN),
        ("https://evil.example\uff0f.contoso.example/cb", AddressFlaw.FOREIGN_DOMAIN),
        ("https://203.0.113.9/cb", AddressFlaw.FOREIGN_DOMAIN),
        ("https://c0ntoso.example/cb", AddressFlaw.LOOK_ALIKE),
        ("https://payroll.azurewebsites.net/cb", AddressFlaw.SHARED_PLATFORM),
        ("https://*.contoso.example/cb", AddressFlaw.WILDCARD),
        ("http://payroll.contoso.example/cb", AddressFlaw.INSECURE),
        ("http://localhost:3000/cb", AddressFlaw.LOOPBACK),
        ("brk-multihub://payroll.contoso.example", None),
        ("brk-multihub://localhost:3000", AddressFlaw.LOOPBACK),
        ("brk-multihub://evil.example", AddressFlaw.FOREIGN_DOMAIN),
        ("brk-multihub://c0ntoso.example", AddressFlaw.LOOK_ALIKE),
        ("payroll-login://auth", AddressFlaw.CUSTOM_SCHEME),
        ("com.contoso.payroll:/cb", AddressFlaw.CUSTOM_SCHEME),
        ("msal5a3b1e00-0000-4000-8000-000000000002://auth", None),
        ("msauth.com.contoso.payroll://auth", None),
        ("ms-appx-web://Microsoft.AAD.BrokerPlugin/5a3b1e00-0000-4000-8000-000000000002", None),
        ("urn:ietf:wg:oauth:2.0:oob", None),
    ],
)
def test_each_flaw_is_told(uri: str, flaw: AddressFlaw | None) -> None:
    """Asked for alone it is met; without any, nothing is; what many rightly have is asked about only by name."""
    if flaw is None:
        assert isinstance(RedirectUriSuspect(tuple(AddressFlaw)).check(sends_to(OURS, uri)), NotMet)
        return
    found = RedirectUriSuspect((flaw,)).check(sends_to(OURS, uri))

    assert isinstance(found, Met)
    assert uri in found.reason
    assert isinstance(RedirectUriSuspect().check(sends_to(uri)), NotMet if flaw in BY_NAME else Met)


def test_domains_that_the_policy_names_are_known() -> None:
    """A partner's, say."""
    ours = RedirectUriSuspect(known_domains=("evil.example",))

    assert isinstance(ours.check(sends_to(EVIL)), NotMet)
    assert isinstance(ours.check(sends_to("https://notevil.example/cb")), Met)


def test_of_an_application_of_another_tenant_the_domains_are_not_known() -> None:
    """Its addresses are its publisher's to choose, unless they imitate ours or are open to all."""
    assert isinstance(RedirectUriSuspect().check(foreign(EVIL)), NotMet)
    assert isinstance(RedirectUriSuspect().check(foreign("https://c0ntoso.example")), Met)
    assert isinstance(RedirectUriSuspect().check(foreign("http://evil.example")), Met)


def test_the_tenants_domains_are_asked_for_only_if_they_are_needed() -> None:
    """What can be told without them is; without an address there is nothing to ask."""
    early = but(sends_to(EVIL), domains=NotLooked())
    finding = RedirectUriSuspect().check(early)

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.DOMAINS}
    assert isinstance(RedirectUriSuspect().check(but(sends_to("http://evil.example"), domains=NotLooked())), Met)
    assert isinstance(RedirectUriSuspect().check(but(sends_to(), domains=NotLooked())), NotMet)
    assert isinstance(RedirectUriSuspect().check(but(sends_to(EVIL), domains=UNREADABLE)), Unknown)


@pytest.mark.parametrize("told", ["https://EVIL.example/cb", "https://evil.example/cb/", " https://evil.example/cb"])
def test_an_address_is_the_same_in_whatever_spelling_the_log_tells_of_it(told: str) -> None:
    """Else it would pass for one that was there before, or is gone."""
    of = but(sends_to(OURS, EVIL), audits=Known((changed([OURS], [OURS, told]),)))

    assert isinstance(RedirectUriSuspect(added_within=DAY).check(of), Met)


def test_those_alone_that_were_added_lately() -> None:
    """By the log, both sides compared; one that has gone since does no more harm."""
    lately = RedirectUriSuspect(added_within=DAY)

    def of(*records: AuditRecord, uris: tuple[str, ...] = (EVIL,)) -> Case:
        return sends_to(*uris, of=case(audits=records))

    assert isinstance(lately.check(of(changed([OURS], [OURS, EVIL]))), Met)
    assert isinstance(lately.check(of(changed([EVIL], [EVIL, OURS]))), NotMet)
    assert isinstance(lately.check(of(changed([], [EVIL], ago=25))), NotMet)
    assert isinstance(lately.check(of(changed([], [EVIL]), uris=(OURS,))), NotMet)
    assert isinstance(lately.check(of(changed(None, [EVIL]))), Unknown)
    assert isinstance(lately.check(but(of(), audits=UNREADABLE)), Unknown)


def test_addresses_that_could_not_be_read_are_unknown() -> None:
    """An own application without them, a foreign one without its service principal's."""
    assert isinstance(RedirectUriSuspect().check(having(case(), payroll())), Unknown)
    assert isinstance(RedirectUriSuspect().check(having(case(), payroll(kind=IdentityKind.FOREIGN))), Unknown)


@pytest.mark.parametrize(
    ("identifier", "answer"),
    [
        ("api://20000000-0000-4000-8000-000000000001", NotMet),
        ("urn:payroll", NotMet),
        ("https://payroll.contoso.example", NotMet),
        ("https://evil.example", Met),
        ("https://contoso.net", Met),
    ],
)
def test_identifier_uris_are_judged_alike(identifier: str, answer: type) -> None:
    """api:// and urn: name no host."""
    assert isinstance(IdentifierUriSuspect().check(sends_to(identifiers=(identifier,))), answer)


def test_identifier_uris_that_were_added_lately() -> None:
    """How the log names them is not documented, so what it does not tell leaves it unknown."""
    lately = IdentifierUriSuspect(added_within=DAY)
    held = ("https://evil.example",)

    def of(*records: AuditRecord) -> Case:
        return sends_to(identifiers=held, of=case(audits=records))

    added = changed([], ["https://evil.example"], name="AppIdentifierUri")
    untold = changed(None, ["https://evil.example"], name="IdentifierUris")
    assert isinstance(lately.check(of(added)), Met)
    assert isinstance(lately.check(of()), NotMet)
    assert isinstance(lately.check(of(untold)), Unknown)
    assert isinstance(lately.check(having(case(), payroll(kind=IdentityKind.FOREIGN))), NotMet)
    assert isinstance(IdentifierUriSuspect().check(but(of(), domains=UNREADABLE)), Unknown)


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        (RedirectUriSuspect(added_within=DAY), "AppAddress, DisplayName"),
        (IdentifierUriSuspect(added_within=DAY), "IdentifierUris"),
    ],
)
def test_a_record_that_only_names_what_was_changed_is_no_record_of_no_change(
    condition: RedirectUriSuspect | IdentifierUriSuspect, named: str
) -> None:
    """What was added is not known, unless a record of the same change tells it; other names do not count."""
    told = changed([OURS], [], name=named.partition(",")[0])

    def answer(names: str, *beside: AuditRecord) -> type:
        listed: JsonValue = {"displayName": "Included Updated Properties", "oldValue": None, "newValue": f'"{names}"'}
        record = audit("Update application", [listed], on="Application", record="Directory_9", correlation="c1")
        return type(condition.check(sends_to(EVIL, identifiers=(EVIL,), of=case(audits=(record, *beside)))))

    assert answer(named) is Unknown
    assert answer("DisplayName") is NotMet
    assert answer(named, replace(told, correlation_id="c2")) is Unknown
    assert answer(named, replace(told, correlation_id="c1")) is not Unknown
