"""The first rung that ends the attack by what is known; each below it with the reason why it does not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.accusation import accuse
from shared.audit_changes import changes
from shared.case import (
    Case,
    CouldNotLook,
    DirectoryRole,
    Grants,
    IdentityState,
    Known,
    NotLooked,
    Part,
    PartName,
    RiskPolicy,
)
from shared.identity import IdentityKind
from shared.ladder import Climbed, Footing, as_told, climb, expectation, verdict_after
from shared.policy import ActionChoice, Verdict, read_policy
from shared.rungs import DEFAULT, Ladder, Rung
from shared.signal import JsonValue
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, added, audit, but, case, detection, having, holding
from tests.fakes import (
    PAYROLL,
    START,
    app_role,
    certificate,
    directory_role,
    password,
    payroll,
    risk_policy,
)
from tests.policy.test_accusation import BUSY, EDITED, HOME, NAMING, ROGUE, STATE, STILL_BUSY, abused
from tests.policy.test_baseline import HOUR, daily, log

TIER_ZERO = replace(app_role(1), role_id="1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9")  # Application.ReadWrite.All
OWNED_BY = replace(app_role(1), role_id="18a4783c-866b-4cc7-a460-3d5e5662c884")
GLOBAL_ADMINISTRATOR = replace(directory_role(1), role_id="62e90394-69f5-4237-9190-012177145e10")
UNSEEN = NotLooked()
NOTHING: Grants = Grants(Known(()), Known(()), Known(()))
CONSENT = audit("Consent to application", record="consent")
NAMES = ["block-sign-in", "replace-credentials", "confirm-compromised"]


def climbed(
    of: Case,
    ladder: Ladder = DEFAULT,
    *,
    cannot: dict[str, str] | None = None,
    policies: Part[tuple[RiskPolicy, ...]] = UNSEEN,
) -> Climbed:
    assert isinstance(of.identity, Known)
    return climb(Footing(of, of.identity.value, accuse(of), policies, cannot or {}, ladder))


def of_kind(kind: IdentityKind, **credentials: object) -> IdentityState:
    return payroll(kind=kind, **credentials)  # pyright: ignore[reportArgumentType]


def why(found: Climbed) -> dict[Rung, tuple[str, str]]:
    return {rung: (each.kind, each.why) for rung, each in found.passed}


def given(scope: str = "Mail.Read") -> Case:
    """Only a consent is suspicious: no odd sign-in, no detection, nothing else new."""
    entry = f"[] => [[Id: x, ClientId: y, PrincipalId: , ResourceId: z, ConsentType: AllPrincipals, Scope: {scope}]]"
    record = audit(
        "Consent to application",
        [{"displayName": "ConsentAction.Permissions", "oldValue": None, "newValue": f'"{entry}"'}],
        record="consent",
        ago=3 * HOUR,
    )
    of = having(case(audits=(record,)), of_kind(IdentityKind.FOREIGN))
    return but(of, sign_ins=Known(log(*daily(20))))


def test_only_the_rogue_credential_goes_where_it_explains_everything() -> None:
    """The busy one is left alone; the reason names the sources that told."""
    found = climbed(abused())

    assert (found.rung, found.ends) == (Rung.REMOVE_ONE, True)
    assert found.actions == (ActionChoice("replace-credentials", {"only": [ROGUE.key_id]}),)
    assert "audit, detection, sign-in" in found.because
    assert found.passed == ()


def test_what_could_not_be_read_leads_up_and_never_down() -> None:
    """Which credential is abused is not known, so all of them go; the reason says why no fewer."""
    found = climbed(but(abused(), sign_ins=UNREADABLE))

    assert (found.rung, found.ends) == (Rung.REPLACE_ALL, True)
    kind, reason = why(found)[Rung.REMOVE_ONE]
    assert kind == "unknown"
    assert "the service did not answer" in reason


def test_without_the_audit_log_nothing_below_the_block_is_known_to_be_enough() -> None:
    """An owner or an address may have been left behind."""
    found = climbed(but(abused(), audits=UNREADABLE))

    assert found.rung is Rung.DISABLE
    assert {rung: kind for rung, (kind, _) in why(found).items()} == {
        Rung.REMOVE_ONE: "unknown",
        Rung.RISK_POLICY: "unknown",
        Rung.REVOKE: "not-enough",
        Rung.REPLACE_ALL: "unknown",
    }


def test_a_credential_that_nobody_holds_and_only_sign_ins_tell_of_is_not_called_removed() -> None:
    """Somebody signed in with it from a strange place: taking away what is not there would be called enough."""
    found = climbed(having(replace(abused(detections=()), audits=Known(())), payroll(application=[BUSY])))

    assert found.accusation.one_explains_all is True
    assert found.rung is Rung.REPLACE_ALL
    assert "there is nothing to remove" in why(found)[Rung.REMOVE_ONE][1]


def test_a_name_that_is_the_rightful_secrets_id_does_not_take_that_secret() -> None:
    """A federated credential's name is its maker's choice; it is gone again, and only its record is left."""
    name: JsonValue = {
        "displayName": "FederatedIdentityCredentials",
        "oldValue": "[]",
        "newValue": f'[{{"Name":"{BUSY.key_id}"}}]',
    }
    record = audit("Update application", [name], on="Application")
    of = but(having(case(audits=(record,)), payroll(application=[BUSY])), sign_ins=Known(log(STILL_BUSY, *HOME)))
    found = climbed(of)

    assert found.rung is Rung.REPLACE_ALL
    assert all(BUSY.key_id not in str(each.actions) for _, each in found.passed)


def test_a_rogue_that_would_be_kept_is_not_ended_by_replacing_the_others() -> None:
    """A certificate that is marked for token encryption stays, and its maker signs in with it all the same."""
    rogue = replace(certificate(5), start=START - HOUR)
    state = payroll(application=[BUSY], principal=[rogue])
    holder = replace(state.principals[0], token_encryption_key_id=rogue.key_id)
    of = having(abused(STILL_BUSY, detections=()), replace(state, principals=(holder,)))
    found = climbed(but(of, audits=Known((added(rogue.key_id, type_="AsymmetricX509Cert"),))))

    assert (found.rung, found.ends) == (Rung.DISABLE, True)
    assert "would stay" in why(found)[Rung.REPLACE_ALL][1]


def test_a_certificate_under_the_rightful_secrets_id_does_not_take_that_secret() -> None:
    """Whoever writes a certificate chooses its id; by that id both would go, so it is not called removing just one."""
    twin = replace(certificate(5), key_id=BUSY.key_id, start=START - HOUR)
    record = added(BUSY.key_id, type_="AsymmetricX509Cert")
    of = having(abused(STILL_BUSY, detections=()), payroll(application=[BUSY], principal=[twin]))
    found = climbed(but(of, audits=Known((record,))))

    assert found.rung is Rung.REPLACE_ALL
    assert "another credential has the id" in why(found)[Rung.REMOVE_ONE][1]


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (but(abused(), detections=UNREADABLE), "the service did not answer"),
        (abused(detections=(replace(NAMING, level="hidden"),)), "withholds what was seen"),
        (abused(detections=(replace(NAMING, type="generic"),)), "withholds what was seen"),
    ],
)
def test_without_the_detections_no_credential_is_known_to_be_the_attack(of: Case, words: str) -> None:
    """Hidden ones may say that the application itself is the attacker's, who gives it credentials as he likes."""
    found = climbed(of)

    assert found.rung is Rung.DISABLE
    assert {kind for rung, (kind, _) in why(found).items() if rung in (Rung.REMOVE_ONE, Rung.REPLACE_ALL)} == {
        "unknown"
    }
    assert words in why(found)[Rung.REPLACE_ALL][1]


def test_detections_are_read_before_all_credentials_are_called_enough() -> None:
    """A ladder that begins there has asked for nothing yet."""
    ladder = Ladder((Rung.REPLACE_ALL, Rung.DISABLE))

    assert climbed(but(abused(), detections=UNSEEN), ladder).wants == {PartName.DETECTIONS}


def test_a_log_that_is_late_with_one_change_may_be_late_with_another() -> None:
    """Nobody tells yet who added the third secret; a new owner may be missing as well."""
    fresh = replace(password(3), start=START - HOUR)
    found = climbed(having(abused(), payroll(application=[BUSY, fresh], principal=[ROGUE])))

    assert found.rung is Rung.DISABLE
    assert why(found)[Rung.REPLACE_ALL][0] == "unknown"


@pytest.mark.parametrize("built_in", [False, None])
def test_a_directory_role_of_the_tenants_own_leads_up(built_in: bool | None) -> None:
    """What its maker let it do is not told: it may give credentials to any application."""
    role = replace(directory_role(1), role_id="70000000-0000-4000-8000-000000000007", built_in=built_in)
    found = climbed(holding(abused(), replace(NOTHING, directory_roles=Known((role,)))))
    harmless = replace(role, built_in=True)
    spared = climbed(holding(abused(), replace(NOTHING, directory_roles=Known((harmless,)))))

    assert found.rung is Rung.DISABLE
    assert why(found)[Rung.REMOVE_ONE] == (
        "unknown",
        "it holds the role “role 1”, which is the tenant's own: what that may do could not be read",
    )
    assert spared.rung is Rung.REMOVE_ONE


@pytest.mark.parametrize("of_groups", [Known((GLOBAL_ADMINISTRATOR,)), CouldNotLook("403")])
def test_a_role_that_it_has_through_a_group_leads_up(of_groups: Part[tuple[DirectoryRole, ...]]) -> None:
    """As if it held it itself: it could give itself another way in; and what nobody could read may be one."""
    found = climbed(holding(abused(), replace(NOTHING, through_groups=of_groups)))

    assert found.rung is Rung.DISABLE
    assert climbed(holding(abused(), NOTHING)).rung is Rung.REMOVE_ONE


@pytest.mark.parametrize(
    ("actions", "scope", "kind"),
    [
        (("microsoft.directory/applications/credentials/update",), "/", "not-enough"),
        (("microsoft.directory/applications/credentials/update",), f"/{PAYROLL}", "unknown"),
        (("microsoft.directory/applications/standard/read",), "/", None),
    ],
)
def test_a_directory_role_of_the_tenants_own_is_judged_by_what_it_may_do(
    actions: tuple[str, ...], scope: str, kind: str | None
) -> None:
    """Who may give credentials to applications gives himself one; who reads cannot."""
    role = replace(directory_role(1), built_in=False, actions=actions, scope=scope)
    found = climbed(holding(abused(), replace(NOTHING, directory_roles=Known((role,)))))

    assert found.rung is (Rung.DISABLE if kind else Rung.REMOVE_ONE)
    assert kind is None or why(found)[Rung.REMOVE_ONE][0] == kind


@pytest.mark.parametrize(
    "grants",
    [
        replace(NOTHING, app_roles=Known((TIER_ZERO,))),
        replace(NOTHING, app_roles=Known((OWNED_BY,))),
        replace(NOTHING, directory_roles=Known((GLOBAL_ADMINISTRATOR,))),
    ],
)
def test_who_can_give_itself_another_credential_is_blocked(grants: Grants) -> None:
    """Its live tokens would do so before they end."""
    found = climbed(holding(abused(), grants))

    assert found.rung is Rung.DISABLE
    assert why(found)[Rung.REMOVE_ONE][0] == why(found)[Rung.REPLACE_ALL][0] == "not-enough"
    assert found.actions[0].name == "block-sign-in"


@pytest.mark.parametrize("grants", [UNREADABLE, Known(replace(NOTHING, app_roles=UNREADABLE))])
def test_what_it_holds_unread_leads_to_the_block(grants: Part[Grants]) -> None:
    """It may be able to renew itself."""
    found = climbed(replace(abused(), grants=grants))

    assert found.rung is Rung.DISABLE
    assert why(found)[Rung.REPLACE_ALL][0] == "unknown"


def test_with_the_block_go_the_credentials_that_are_known_to_be_abused() -> None:
    """Else the thief would be back with the sign-in; the busy one stays for the owner."""
    found = climbed(holding(abused(), replace(NOTHING, app_roles=Known((TIER_ZERO,)))))

    assert found.actions[1:] == (ActionChoice("replace-credentials", {"only": [ROGUE.key_id]}),)


def test_another_way_in_leads_to_the_block() -> None:
    """Somebody edited the object as well: no credential is needed for that."""
    of = abused()
    assert isinstance(of.audits, Known)
    found = climbed(but(of, audits=Known((*of.audits.value, replace(EDITED, id="edit")))))

    assert found.rung is Rung.DISABLE
    assert [why(found)[rung][0] for rung in (Rung.REMOVE_ONE, Rung.REPLACE_ALL)] == ["not-enough", "not-enough"]


def test_of_a_managed_identity_only_the_block_is_possible() -> None:
    """Azure holds its credentials, Conditional Access does not cover it, and only own applications are deactivated."""
    found = climbed(having(case(), of_kind(IdentityKind.MANAGED_IDENTITY)))

    assert (found.rung, found.actions) == (Rung.DISABLE, (ActionChoice("block-sign-in", {}),))
    assert why(found)[Rung.REMOVE_ONE][0] == why(found)[Rung.REPLACE_ALL][0] == "not-applicable"


def test_a_foreign_applications_own_credential_is_out_of_reach() -> None:
    """Its publisher holds it; a secret that was put on the service principal here can be removed."""
    foreign = of_kind(IdentityKind.FOREIGN, principal=[ROGUE])
    there = replace(NAMING, key_ids=(BUSY.key_id,))
    none_here = having(but(abused(detections=(there,)), audits=Known(())), of_kind(IdentityKind.FOREIGN))
    quiet = but(none_here, sign_ins=Known(log(*daily(20))))

    assert climbed(having(abused(), foreign)).rung is Rung.REMOVE_ONE
    out_of_reach = climbed(quiet)
    assert out_of_reach.rung is Rung.DISABLE
    assert "in another tenant" in why(out_of_reach)[Rung.REMOVE_ONE][1]
    assert why(out_of_reach)[Rung.REPLACE_ALL][0] == "not-enough"


def test_a_multi_tenant_application_is_deactivated_where_removing_one_is_not_enough() -> None:
    """A block here would leave it to every other tenant."""
    many = replace(STATE, identity=replace(STATE.identity, kind=IdentityKind.OWN_MULTI_TENANT))
    of = holding(having(abused(), many), replace(NOTHING, app_roles=Known((TIER_ZERO,))))
    found = climbed(of)

    assert [choice.name for choice in found.actions] == [
        "deactivate-application",
        "block-sign-in",
        "replace-credentials",
    ]
    assert climbed(having(abused(), many)).rung is Rung.REMOVE_ONE
    assert climbed(of, Ladder((Rung.REMOVE_ONE, Rung.DISABLE))).rung is Rung.DISABLE


def test_an_illicit_consent_is_taken_back() -> None:
    """Only what was given is suspicious, so only that goes, as far back as it was given."""
    found = climbed(given())

    assert found.rung is Rung.REVOKE
    assert found.actions == (ActionChoice("remove-delegated-grants", {"added-since": "240m"}),)


def test_a_consent_that_cannot_be_read_in_full_leads_up() -> None:
    """Nobody knows what would have to be taken back."""
    found = climbed(but(given(), audits=Known((CONSENT,))))

    assert found.rung is Rung.DISABLE
    assert why(found)[Rung.REVOKE][0] == "unknown"


@pytest.mark.parametrize("type_", ["maliciousApplication", "MaliciousApplication"])
def test_a_malicious_application_is_not_mended_by_new_credentials(type_: str) -> None:
    """Its owner is the attacker."""
    of = having(case(detections=(detection(type_),)), payroll(application=[BUSY]))

    assert climbed(of).rung is Rung.DISABLE


STANDING = risk_policy("ServicePrincipalsInMyTenant")


@pytest.mark.parametrize(
    ("policies", "taken"),
    [
        (Known((STANDING,)), Rung.RISK_POLICY),
        (Known((replace(STANDING, state="enabledForReportingButNotEnforced"),)), Rung.DISABLE),
        (Known((replace(STANDING, excluded=(PAYROLL,)),)), Rung.DISABLE),
        (Known(()), Rung.DISABLE),
        (CouldNotLook("refused"), Rung.DISABLE),
    ],
)
def test_a_rule_that_trusts_the_risk_policy_takes_it_where_it_is_enforced(
    policies: Part[tuple[RiskPolicy, ...]], taken: Rung
) -> None:
    """One that only reports, or that leaves this identity out, ends nothing."""
    ladder = Ladder((Rung.RISK_POLICY, Rung.DISABLE))

    assert climbed(abused(), ladder, policies=policies).rung is taken


def test_the_default_ladder_does_not_trust_the_risk_policy() -> None:
    """No read shows that Entra enforces it."""
    found = climbed(but(abused(), sign_ins=UNREADABLE), policies=Known((STANDING,)))

    assert why(found)[Rung.RISK_POLICY][0] == "unknown"


def test_what_was_not_looked_at_yet_is_asked_for() -> None:
    """Only what the rung at hand hangs on."""
    bare = but(abused(), sign_ins=NotLooked(), grant_audits=NotLooked())

    assert climbed(bare).wants == {PartName.SIGN_INS, PartName.GRANT_AUDITS}
    assert climbed(bare, Ladder((Rung.RISK_POLICY, Rung.DISABLE))).wants == {PartName.CA_POLICY}
    assert not climbed(bare, Ladder((Rung.DISABLE,))).wants


def test_what_cannot_run_here_is_passed_over_by_name() -> None:
    """The reason is the one that preflight gives."""
    found = climbed(abused(), cannot={"replace-credentials": "Application.ReadWrite.All is missing."})

    assert found.rung is Rung.DISABLE
    assert found.actions == (ActionChoice("block-sign-in", {}),)
    assert "Application.ReadWrite.All" in why(found)[Rung.REMOVE_ONE][1]


def test_a_ladder_that_is_too_short_ends_at_a_person() -> None:
    """Its highest rung is laid out, and nothing is called contained by it."""
    found = climbed(but(abused(), audits=UNREADABLE), Ladder((Rung.REMOVE_ONE, Rung.REPLACE_ALL)))

    assert (found.rung, found.ends) == (Rung.REPLACE_ALL, False)
    assert verdict_after(Verdict.CONTAIN, found) is Verdict.ASK
    none = climbed(having(case(), of_kind(IdentityKind.MANAGED_IDENTITY)), Ladder((Rung.REMOVE_ONE,)))
    assert (none.rung, none.actions, verdict_after(Verdict.CONTAIN, none)) == (None, (), Verdict.ASK)


def test_no_unknown_leads_further_down_than_the_same_case_known() -> None:
    """For every part that a rung hangs on, alone and in pairs: unread is never milder than read."""
    parts = ["sign_ins", "detections", "audits", "grant_audits", "grants"]
    order, base = list(Rung), abused()
    known = climbed(base).rung
    assert known is not None
    for first in parts:
        one = climbed(but(base, **{first: UNREADABLE})).rung
        for second in parts:
            two = climbed(but(base, **{first: UNREADABLE, second: UNREADABLE})).rung

            assert one is not None
            assert two is not None
            assert order.index(known) <= order.index(one) <= order.index(two)


def test_the_policy_tells_whose_changes_are_expected() -> None:
    """By those of whom its conditions expect this kind, and of no other kind."""
    policy = read_policy(
        f"""
version: 1
rules:
  - name: rogue
    when: {{credential-added: {{by-other-than: [{PIPELINE}]}}}}
    verdict: contain
    ladder: default
""",
        "policy.yaml",
        NAMES,
    )
    of = but(abused(), audits=Known((added(ROGUE.key_id, by=PIPELINE),)))
    is_expected = expectation(policy)

    assert accuse(of, is_expected).suspects[0].grounds[0].source == "detection"
    edited = audit("Update application", [{"displayName": "x", "oldValue": "1", "newValue": "2"}], by=PIPELINE)
    assert accuse(but(of, audits=Known((edited,))), is_expected).elsewhere
    assert accuse(but(of, audits=Known((added(ROGUE.key_id, by=STRANGER),))), is_expected).suspects


def test_who_may_consent_is_not_expected_to_give_directory_roles() -> None:
    """A consent writes grants of permissions; a role is power that the workflow was never trusted with."""
    consents = f"consent: {{by-other-than: [{PIPELINE}]}}"
    grants = f"granted-recently: {{by-other-than: [{PIPELINE}]}}"
    workflow, giver = (
        read_policy(
            f"version: 1\nrules: [{{name: a, verdict: ask, when: {{{when}}}, ladder: default}}]", "policy.yaml", NAMES
        )
        for when in (consents, grants)
    )
    (agreed,) = changes([audit("Consent to application", by=PIPELINE)])
    (role,) = changes([audit("Add member to role", by=PIPELINE)])

    assert expectation(workflow)(agreed)
    assert not expectation(workflow)(role)
    assert expectation(giver)(role)


@pytest.mark.parametrize(
    "when",
    ["owner-added: {by-other-than: [WHO]}", "property-changed: {properties: [accountEnabled], by-other-than: [WHO]}"],
)
def test_who_may_do_one_thing_is_expected_to_do_no_other_of_its_kind(when: str) -> None:
    """Whoever may switch a sign-in on was expected to add reply URLs, and who may set up a workload any owner."""
    text = f"version: 1\nrules: [{{name: a, verdict: ask, when: {{{when.replace('WHO', PIPELINE)}}}, ladder: default}}]"
    is_expected, address = expectation(read_policy(text, "policy.yaml", NAMES)), '[{"Address": "https://a.example"}]'
    (edited,) = changes(
        [
            audit(
                "Update application",
                [{"displayName": "AppAddress", "oldValue": "[]", "newValue": address}],
                by=PIPELINE,
            )
        ]
    )
    (owner,) = changes([audit("Add owner to application", by=PIPELINE)])

    assert not is_expected(edited)
    assert not is_expected(owner)


def test_the_choice_is_told_in_the_journals_words() -> None:
    """Rung, reasons, the rungs below it and the accused credential, each text as one line."""
    told = as_told(climbed(but(abused(), sign_ins=CouldNotLook("no\nlicence"))))

    assert (told.rung, told.ends) == ("replace-all", True)
    assert [each.rung for each in told.passed] == ["remove-one-credential", "risk-policy", "revoke"]
    assert all("\n" not in each.why for each in told.passed)
    assert told.accusation.one_explains_all is None
    assert told.accusation.suspects[0].credential_id == ROGUE.key_id


def test_an_old_secret_that_leaked_is_the_one_that_goes() -> None:
    """A detection names it by its key id, and it did as ever until it was used from elsewhere."""
    leaked = replace(detection("leakedCredentials"), key_ids=(BUSY.key_id,))
    other = replace(password(3), start=START - timedelta(days=100))
    of = but(
        having(case(detections=(leaked,)), payroll(application=[BUSY, other])),
        sign_ins=Known(log(*[replace(each, credential_id=other.key_id) for each in daily(20)])),
    )

    assert climbed(of).actions == (ActionChoice("replace-credentials", {"only": [BUSY.key_id]}),)
