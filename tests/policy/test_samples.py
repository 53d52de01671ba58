"""Rules carry small cases of their own: what they must decide on, leave alone, or ask a person about."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from shared.actions import check_policy_action, policy_actions
from shared.case import Case, HolderKind, IdentityState, Known, PartName
from shared.errors import PolicyWrong
from shared.policy import Policy, Samples, load_policy, read_policy
from shared.sample_cases import ANOTHER_TENANT, case_of
from shared.sample_checks import Checked, Wanted, check_samples
from shared.samples import Sample

FILE = Path(__file__).parents[2] / "policies" / "default.yaml"
SHIPPED = load_policy(FILE, policy_actions(), check_policy_action)
MORE = load_policy(FILE.with_name("people-and-calls.yaml"), policy_actions(), check_policy_action)
POLICIES = {"default": SHIPPED, "people-and-calls": MORE}
NAMES = ("block-sign-in", "replace-credentials")


def read(samples: str, when: str = "risk-detection: {levels: [high]}", verdict: str = "ask") -> Policy:
    """A policy of one rule that asks; its samples begin on line 9."""
    actions = "[block-sign-in]" if verdict in ("ask", "contain") else "[]"
    head = f"version: 1\nrules:\n  - name: a\n    when:\n      {when}\n    verdict: {verdict}\n    actions: {actions}\n"
    return read_policy(f"{head}    samples:\n      {samples}\n", "policy.yaml", NAMES)


def problems(samples: str) -> tuple[str, ...]:
    with pytest.raises(PolicyWrong) as wrong:
        read(samples)
    return wrong.value.problems


def one(sample: str, when: str, wanted: str = "must-fire", verdict: str = "ask") -> Checked:
    """What came of one sample of a policy with one rule."""
    (checked,) = check_samples(read(f"{wanted}: [{sample}]", when, verdict))
    return checked


def case(sample: str) -> Case:
    (only,) = read(f"must-fire: [{sample}]").rules[0].samples.must_fire
    return case_of(only.sample)


def state(sample: str) -> IdentityState:
    found = case(sample).identity
    assert isinstance(found, Known)
    return found.value


@cache
def checked(name: str) -> tuple[Checked, ...]:
    """What came of each sample of a shipped policy; judged when the first test asks for it."""
    return check_samples(POLICIES[name])


def places(name: str) -> list[tuple[str, int, Wanted]]:
    """The rule, the line and the wish of each sample, none of them judged yet."""
    return [
        (rule.name, sample.line, wanted)
        for rule in POLICIES[name].rules
        for wanted, samples in (
            (Wanted.FIRE, rule.samples.must_fire),
            (Wanted.NOT_FIRE, rule.samples.must_not_fire),
            (Wanted.ASK, rule.samples.must_ask),
        )
        for sample in samples
    ]


@pytest.mark.parametrize(
    ("name", "number", "place"),
    [
        pytest.param(name, number, place, id=":".join(map(str, place)))
        for name in POLICIES
        for number, place in enumerate(places(name))
    ],
)
def test_the_shipped_policy_keeps_to_its_samples(name: str, number: int, place: tuple[str, int, Wanted]) -> None:
    """Each in the words of its file; what came instead is told."""
    sample = checked(name)[number]

    assert (sample.rule.name, sample.sample.line, sample.wanted) == place
    assert sample.problem is None


@pytest.mark.parametrize("name", POLICIES)
def test_no_sample_of_a_shipped_policy_goes_unchecked(name: str) -> None:
    """As many as stand in the file."""
    assert len(checked(name)) == len(places(name)) > 0


@pytest.mark.parametrize("rule", [*SHIPPED.rules, *MORE.rules], ids=lambda rule: rule.name)
def test_each_shipped_rule_says_what_it_is_for_and_what_it_is_not_for(rule: object) -> None:
    """One of each at least."""
    found = next(each for each in (*SHIPPED.rules, *MORE.rules) if each is rule)

    assert found.samples.must_fire
    assert found.samples.must_not_fire


def test_samples_take_no_part_in_a_decision() -> None:
    """Two policies that differ in them alone decide by the same rules."""
    bare = read("must-fire: [{}]")

    assert bare.rules == read("must-fire: [{detections: [generic]}]").rules
    assert bare.digest != read("must-fire: [{detections: [generic]}]").digest


def test_what_a_sample_leaves_out_was_read_and_is_not_there() -> None:
    """An ordinary identity about which nothing is known, and every part of it readable."""
    found = case("{}")

    assert all(isinstance(getattr(found, part.value), Known) for part in PartName if hasattr(found, part.value))
    assert found.detections == Known(())
    assert found.risk == Known(None)


@pytest.mark.parametrize(
    "part", ["detections", "risk", "audits", "grants", "owners", "domains", "sign-ins", "identity", "people"]
)
def test_a_part_can_be_unreadable(part: str) -> None:
    """Which is never the same as empty."""
    found = case(f"{{{part}: unreadable}}")

    assert not isinstance(getattr(found, part.replace("-", "_")), Known)


def test_a_must_fire_sample_wants_its_rule_to_decide_and_not_merely_to_hold() -> None:
    """An earlier rule that decides is told, with what this one answered."""
    text = """\
version: 1
rules:
  - {name: first, when: sign-in-blocked, verdict: watch}
  - name: second
    when: {risk-detection: {}}
    verdict: ask
    actions: [block-sign-in]
    samples:
      must-fire: [{enabled: false, detections: [leakedCredentials]}]
      must-not-fire: [{enabled: false, detections: [leakedCredentials]}]
"""
    fire, not_fire = check_samples(read_policy(text, "policy.yaml", NAMES))

    assert fire.problem == "rule first decides (watch), and stands before this one"
    assert not_fire.passes


def test_a_rule_that_cannot_be_judged_neither_fires_nor_is_left_alone() -> None:
    """A person would be asked about it: that is a sort of sample of its own."""
    hidden = "{detections: [{type: generic, level: hidden}]}"
    when = "risk-detection: {types: [leakedCredentials], levels: [high]}"

    fire, not_fire, ask = (one(hidden, when, wanted) for wanted in ("must-fire", "must-not-fire", "must-ask"))

    assert (fire.problem or "").startswith("it cannot be judged, so a person is asked: it cannot be told whether")
    assert not_fire.problem == fire.problem
    assert ask.passes


def test_what_came_instead_is_told_with_the_reason_of_the_condition() -> None:
    """So that its author need not guess."""
    none = one("{detections: [{type: leakedCredentials, level: low}]}", "risk-detection: {levels: [high]}")
    decides = one("{detections: [leakedCredentials]}", "risk-detection: {levels: [high]}", "must-not-fire")
    asks = one("{detections: [leakedCredentials]}", "risk-detection: {levels: [high]}", "must-ask")

    assert none.problem == "no rule decides; this one does not hold: none of 1 detections is of this sort"
    assert (decides.problem or "").startswith("it decides (ask): leakedCredentials, level high, atRisk, detected 2026")
    assert asks.problem == decides.problem


def test_a_sample_is_judged_in_the_order_of_an_investigation() -> None:
    """Only what the decision needs is read; the rest may be unreadable for all that matters."""
    found = one("{detections: [leakedCredentials], audits: unreadable}", "risk-detection: {levels: [high]}")

    assert found.passes
    assert found.judged.read == (PartName.IDENTITY, PartName.GRANTS, PartName.DETECTIONS)


STRANGER = "5a3b1e00-0000-4000-8000-000000000006"
PIPELINE = "77777777-0000-4000-8000-000000000002"
USUAL = "sign-ins: {usual: {country: DE, network: 64500}"


@pytest.mark.parametrize(
    ("when", "fires", "leaves"),
    [
        ("credential-added: {within: 24h}", "{audits: [Update external secrets]}", "{credentials: [secret]}"),
        (
            f"credential-added: {{by-other-than: [{PIPELINE}]}}",
            "{audits: [Add service principal credentials]}",
            f"{{audits: [{{activity: Add service principal credentials, by: {PIPELINE}}}]}}",
        ),
        (
            f"credential-added: {{by-other-than: [{PIPELINE}]}}",
            "{audits: [{activity: Update application, adds: [federated]}]}",
            f"{{audits: [{{activity: Update application, adds: [certificate], by: {{user: {PIPELINE}}}}}]}}",
        ),
        (
            "audit-activity: {activities: [Add owner to application], within: 1d}",
            "{audits: [{activity: add owner to application., ago: 23h}]}",
            "{audits: [{activity: Add owner to application, ago: 25h}, {activity: Update application}]}",
        ),
        (
            "granted-recently: {tiers: [tier-0]}",
            (
                "{audits: [{activity: Add app role assignment to service principal, gives: "
                "[RoleManagement.ReadWrite.Directory]}]}"
            ),
            "{audits: [{activity: Add app role assignment to service principal, gives: [User.Read.All]}]}",
        ),
        (
            f"granted-recently: {{kinds: [directory-role], by-other-than: [{PIPELINE}]}}",
            "{audits: [{activity: Add member to role, gives: [Global Administrator]}]}",
            f"{{audits: [{{activity: Add member to role, gives: [Global Administrator], by: {PIPELINE}}}]}}",
        ),
        (
            "dangerous-permission: {}",
            "{grants: {app-roles: [rolemanagement.readwrite.directory]}}",
            "{grants: {app-roles: [Mail.Read], directory-roles: [Global Reader], delegated: [User.Read]}}",
        ),
        (
            "dangerous-permission: {kinds: [delegated]}",
            "{grants: {delegated: [{scope: User.Read Directory.AccessAsUser.All, for: one-user}]}}",
            "{grants: {directory-roles: [Global Administrator]}}",
        ),
        (
            "consent: {findings: [tenant-wide]}",
            "{kind: foreign, audits: [{activity: Consent to application, gives: [Mail.Read]}]}",
            "{kind: foreign, audits: [{activity: Consent to application, gives: [Mail.Read], for: one-user}]}",
        ),
        (
            "consent: {findings: [by-application]}",
            "{audits: [{activity: Consent to application, gives: [User.Read], by: application}]}",
            "{audits: [{activity: Consent to application, gives: [User.Read]}]}",
        ),
        (
            "redirect-uri: {findings: [foreign-domain], added-within: 1d}",
            "{audits: [{activity: Update application, adds-redirect-uris: ['https://evil.example/cb']}]}",
            "{redirect-uris: ['https://evil.example/cb']}",
        ),
        (
            "identifier-uri: {added-within: 1d}",
            "{audits: [{activity: Update application, adds-identifier-uris: ['https://evil.example/x']}]}",
            "{identifier-uris: ['https://evil.example/x']}",
        ),
        (
            "sign-out-url-changed: {known-domains: [contoso.example]}",
            "{audits: [{activity: Update application, sets-sign-out-url: 'https://evil.example/out'}]}",
            "{audits: [{activity: Update application, sets-sign-out-url: 'https://a.contoso.example/out'}]}",
        ),
        (
            "property-changed: {properties: [signInAudience]}",
            (
                "{kind: own-multi-tenant, audits: [{activity: Update application, "
                "properties: {AvailableToOtherTenants: {old: '[false]', new: '[true]'}}}]}"
            ),
            "{kind: own-multi-tenant, audits: [Update application]}",
        ),
        (
            "owner-added: {kinds: [workload]}",
            "{audits: [{activity: Add owner to application, adds-owner: application}]}",
            "{owners: [application], audits: [{activity: Add owner to application, adds-owner: user}]}",
        ),
        (
            "group-joined: {}",
            "{audits: [{activity: Add member to group, joins: role-assignable}]}",
            "{audits: [{activity: Add member to group, joins: ordinary}]}",
        ),
        ("owners: {findings: [itself]}", "{owners: [itself]}", "{owners: [application]}"),
        ("owners: {findings: [workload]}", "{owners: [application]}", "{owners: [user]}"),
        ("publisher: {}", "{kind: foreign}", "{kind: foreign, publisher: '123456'}"),
        ("credential-excess: {more-than: 1}", "{credentials: [secret, certificate]}", "{credentials: [federated]}"),
        (
            "federated-trust-breadth: {}",
            "{credentials: [{type: federated, issuer: 'https://evil.example'}]}",
            "{credentials: [federated]}",
        ),
        (
            "new-sign-in: {at-least: 2, features: [network, country]}",
            f"{{{USUAL}, then: [{{network: 64999, country: RU}}]}}}}",
            f"{{{USUAL}, then: [{{country: FR}}]}}}}",
        ),
        (
            "sign-in-failures: {codes: [7000215]}",
            "{sign-ins: {then: [{error: 7000215, times: 20, ago: 30m}]}}",
            "{sign-ins: {then: [{error: 7000112, times: 20, ago: 30m}]}}",
        ),
        (
            "sign-in-frequency: {}",
            "{sign-ins: {usual: {}, then: [{times: 90, ago: 50m}]}}",
            "{sign-ins: {usual: {}, then: [{times: 3, ago: 50m}]}}",
        ),
        (
            "sign-in-odd-hour: {}",
            "{now: '2026-03-07T03:10:00Z', sign-ins: {usual: {hours: '08:00-18:00'}, then: [{}]}}",
            "{now: '2026-03-06T09:10:00Z', sign-ins: {usual: {hours: '08:00-18:00'}, then: [{}]}}",
        ),
        (
            "odd-hour: {days: [sat]}",
            "{now: '2026-03-07T03:10:00Z', audits: [Update application]}",
            "{audits: [Update application]}",
        ),
        (
            f"declared-change: {{by: [{PIPELINE}], kinds: [credentials]}}",
            f"{{audits: [{{activity: Update external secrets, by: {PIPELINE}}}]}}",
            "{audits: [Update external secrets]}",
        ),
        (
            "people-at-risk: {longest: 7d}",
            "{owners: [user], people: [{way: owner, risk: high}]}",
            "{owners: [user], people: [{way: owner, risk: low}]}",
        ),
        (
            "people-at-risk: {signs: [device-code], longest: 24h}",
            "{people: [{way: consenter, sign-ins: [{protocol: deviceCode}]}]}",
            "{people: [{way: consenter, sign-ins: [{protocol: deviceCode, ago: 3d}]}]}",
        ),
        (
            "people-at-risk: {who: [credential-adder], signs: [risk-detection]}",
            "{audits: [Update external secrets], people: [{way: credential-adder, detections: [anomalousToken]}]}",
            "{audits: [Update external secrets], people: [credential-adder]}",
        ),
        (
            "credential-excess: {unused-for: 14d}",
            "{credentials: [{type: secret, used: 20d}], sign-ins: {usual: {credential: other}}}",
            "{credentials: [secret], sign-ins: {usual: {credential: other}}}",
        ),
        ("credential-exposed: {tiers: [1]}", "{exposed: [1]}", "{exposed: [{tier: 1, ago: 8d}]}"),
        ("risk-state: {levels: [high]}", "{risk: high}", "{risk: {level: high, state: dismissed}}"),
        ("sign-in-blocked: {}", "{enabled: false}", "{}"),
        ("identity-kind: {kinds: [agent]}", "{kind: agent}", "{kind: foreign}"),
    ],
)
def test_every_condition_can_be_shown_by_samples(when: str, fires: str, leaves: str) -> None:
    """In a line each, through the records' own readers."""
    assert one(fires, when).problem is None
    assert one(leaves, when, "must-not-fire").problem is None


def test_what_a_successful_record_adds_is_on_the_identity_as_well() -> None:
    """A credential that the log tells of, and that is not there, would be another case."""
    added = state("{audits: [{activity: Add service principal credentials, adds: [secret, certificate]}]}")
    failed = state("{audits: [{activity: Add service principal credentials, result: failure}]}")

    (principal,) = added.principals
    assert (len(principal.passwords), len(principal.keys)) == (1, 1)
    assert not failed.principals[0].passwords
    assert added.application is not None
    assert added.application.kind is HolderKind.APPLICATION


def test_an_identity_of_another_tenant_has_no_application_here() -> None:
    """Its credentials and addresses are the service principal's."""
    foreign = state("{kind: foreign, credentials: [secret], redirect-uris: ['https://x.example/cb']}")

    assert (foreign.application, foreign.owner_tenant) == (None, ANOTHER_TENANT)
    assert len(foreign.principals[0].passwords) == 1
    assert foreign.provenance is not None
    assert foreign.provenance.reply_urls == ("https://x.example/cb",)


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ("must-fires: []", "9: unknown key “must-fires”; did you mean must-fire?"),
        ("must-fire: []", "9: must-fire of rule a must be a list of samples; leave it out, or name one"),
        ("must-fire: {}", "9: must-fire of rule a must be a list of samples; leave it out, or name one"),
        ("must-fire: [1]", "9: must-fire: the settings must be a mapping"),
        ("must-fire: [{detection: []}]", "9: must-fire: unknown setting “detection”; did you mean detections?"),
        (
            "must-fire: [{detections: [leakedCredential]}]",
            "9: must-fire: “leakedCredential” is not one of detections.type; did you mean leakedCredentials?",
        ),
        (
            "must-fire: [{detections: [{type: generic, levl: high}]}]",
            "9: must-fire: unknown setting “levl”; did you mean level?",
        ),
        (
            "must-fire:\n        - detections:\n          - {type: generic,\n             state: risky}",
            "12: must-fire: “risky” is not one of detections.state; did you mean atRisk?",
        ),
        (
            "must-fire: [{risk: unreadble}]",
            "9: must-fire: “unreadble” is not one of risk.level; there is low, medium, high, hidden and none",
        ),
        (
            "must-fire: [{audits: [{activity: Add owner to aplication}]}]",
            (
                "9: must-fire: audits.activity: “Add owner to aplication” is not an activity that Cordon follows; "
                "did you mean Add owner to application?"
            ),
        ),
        (
            "must-fire: [{audits: [Consent to application]}]",
            "9: must-fire: audits “Consent to application” needs gives: the names of the permissions that were given",
        ),
        (
            "must-fire: [{audits: [{activity: Update application, gives: [x]}]}]",
            "9: must-fire: audits “Update application” gives no permissions; leave gives out",
        ),
        (
            "must-fire: [{audits: [{activity: Add owner to application, adds: [secret]}]}]",
            "9: must-fire: audits “Add owner to application” adds no credentials; leave adds out",
        ),
        (
            "must-fire: [{audits: [{activity: Update application, by: pipeline}]}]",
            (
                "9: must-fire: “pipeline” is not one of audits.by.who; "
                "there is stranger, application, itself, cordon and unnamed"
            ),
        ),
        (
            "must-fire: [{grants: {app-roles: [RoleManagement.ReadWrite.Directry]}}]",
            (
                "9: must-fire: grants.app-roles.role: “RoleManagement.ReadWrite.Directry” is no app role of the "
                "catalogue; give the id of any other; did you mean RoleManagement.ReadWrite.Directory?"
            ),
        ),
        (
            "must-fire: [{kind: foreign, credentials: [{type: secret, on: application}]}]",
            "9: must-fire: this says on: application, and of kind foreign the application is not in this tenant",
        ),
        (
            "must-fire: [{sign-ins: {usual: {every: 1s}}}]",
            "9: must-fire: sign-ins.usual makes more than 2000 sign-ins; take a longer every, or a shorter over",
        ),
        (
            "must-fire: [{now: yesterday}]",
            "9: must-fire: now: “yesterday” must be a moment such as 2026-03-04T12:00:00Z",
        ),
        (
            "must-fire: [{detections: unreadable, detections: []}]",
            "9: “detections” stands here for the second time; the first is on line 9",
        ),
    ],
)
def test_a_mistake_in_a_sample_says_what_was_probably_meant(samples: str, told: str) -> None:
    """As everywhere in the file: line, what is wrong, nearest name."""
    assert f"policy.yaml:{told}" in problems(samples)


def test_defaults_are_those_of_the_form() -> None:
    """A sample made in Python, as tests may, is the sample of the file."""
    assert case("{}").identity == case_of(Sample()).identity
    assert case("{kind: agent}").now == case_of(replace(Sample(), name="x")).now


def test_whoever_only_decides_leaves_samples_unread() -> None:
    """A start in the middle of an attack waits for no samples, and fails for none."""
    text = (
        "version: 1\nrules:\n  - {name: a, when: risk-state, verdict: watch, samples: {must-fire: [{colour: red}]}}\n"
    )

    assert read_policy(text, "policy.yaml", NAMES, with_samples=False).rules[0].samples == Samples()
    with pytest.raises(PolicyWrong):
        read_policy(text, "policy.yaml", NAMES)
