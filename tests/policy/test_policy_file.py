"""A policy file is read whole or not at all, and every mistake says where it is and what was probably meant."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.conditions.audit_activity import AuditShows
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.risk_detection import RiskDetected
from shared.conditions.sign_in_blocked import SignInBlocked
from shared.errors import PolicyWrong
from shared.policy import ActionChoice, Limits, Policy, Protected, Rule, Verdict, load_policy, read_policy
from shared.signal import JsonObject

ACTIONS = ("block-sign-in", "replace-credentials", "confirm-compromised")
ID = "11111111-2222-3333-4444-55555555aaaa"


def read(text: str) -> Policy:
    return read_policy(text, "policy.yaml", ACTIONS)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PolicyWrong) as wrong:
        read(text)
    return wrong.value.problems


def one_rule(*lines: str) -> str:
    """A policy of one rule, whose lines start on line 4."""
    return "\n".join(["version: 1", "rules:", "  - name: a", *(f"    {line}" for line in lines)])


def test_a_policy_is_read_as_it_is_written() -> None:
    """Conditions by name or with settings, groups, actions with options, durations in both spellings."""
    text = f"""\
version: 1
limits: {{identities-per-hour: 50, percent-of-enabled-per-hour: 2.5}}
protected:
  - {{id: {ID.upper()}, reason: break-glass}}
rules:
  - name: a
    when:
      all:
        - risk-detection: {{types: [leakedCredentials], levels: [medium, high], within: 7d}}
        - not: sign-in-blocked
        - any: [{{risk-detection: {{within: PT24H}}}}, sign-in-blocked]
    verdict: contain
    actions: [block-sign-in, {{replace-credentials: {{new-certificate: true}}}}]
  - name: b
    when: {{audit-activity: {{activities: ["update application – certificates and secrets management "]}}}}
    verdict: watch
"""
    leaked = RiskDetected(("leakedCredentials",), ("medium", "high"), within=timedelta(days=7))
    members = (
        leaked,
        Not(SignInBlocked()),
        AnyOf((RiskDetected(within=timedelta(hours=24)), SignInBlocked())),
    )
    actions = (ActionChoice("block-sign-in", {}), ActionChoice("replace-credentials", {"new-certificate": True}))
    activity = AuditShows(("update application - certificates and secrets management",))

    policy = read(text)

    assert policy == Policy(
        version=1,
        limits=Limits(50, 2.5, 200),
        protected=(Protected(ID, "break-glass"),),
        rules=(Rule("a", All(members), Verdict.CONTAIN, actions), Rule("b", activity, Verdict.WATCH, ())),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def test_limits_are_on_where_the_file_does_not_mention_them() -> None:
    """Taking the section out does not take the limits off."""
    policy = read(one_rule("when: sign-in-blocked", "verdict: watch"))

    assert policy.limits == Limits(identities_per_hour=5, percent_of_enabled_per_hour=2, secrets_per_hour=200)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["when: {risk-detections: {}}", "verdict: watch"],
            "policy.yaml:4: unknown condition “risk-detections”; did you mean risk-detection?",
        ),
        (
            ["when: {risk-detection: {levls: [high]}}", "verdict: watch"],
            "policy.yaml:4: risk-detection: unknown setting “levls”; did you mean levels?",
        ),
        (
            ["when:", "  risk-detection:", "    types:", "      - leakedCredential", "verdict: watch"],
            "policy.yaml:7: risk-detection: “leakedCredential” is not one of types; did you mean leakedCredentials?",
        ),
        (
            ["when: {risk-detection: {levels: [High]}}", "verdict: watch"],
            "policy.yaml:4: risk-detection: “High” is not one of levels; did you mean high?",
        ),
        (
            ["when: {risk-detection: {levels: []}}", "verdict: watch"],
            "policy.yaml:4: risk-detection: levels is empty; leave it out, or name at least one",
        ),
        (
            ["when: {risk-detection: {levels: high}}", "verdict: watch"],
            "policy.yaml:4: risk-detection: levels must be a list",
        ),
        (
            ["when: {risk-detection: {within: 1 day}}", "verdict: watch"],
            (
                "policy.yaml:4: risk-detection: within: “1 day” must be a duration such as 90m, 24h or 7d, longer than "
                "nothing and at most 366d"
            ),
        ),
        (
            ["when: {credential-added: {within: 30d}}", "verdict: watch"],
            "policy.yaml:4: credential-added: within: “30d” must be at most 7d: the audit log is not read further back",
        ),
        (
            ["when: {credential-added: {by-other-than: [pipeline]}}", "verdict: watch"],
            (
                "policy.yaml:4: credential-added: by-other-than: “pipeline” is not a GUID, such as "
                "11111111-2222-3333-4444-555555555555"
            ),
        ),
        (
            ["when: {audit-activity: {activities: [Add owner to aplication]}}", "verdict: watch"],
            (
                "policy.yaml:4: audit-activity: activities: “Add owner to aplication” is not an activity that Cordon "
                "follows; did you mean Add owner to application?"
            ),
        ),
        (["when: audit-activity", "verdict: watch"], "policy.yaml:4: audit-activity: activities is missing"),
        (
            ["when: {identity-kind: {kinds: [managed]}}", "verdict: watch"],
            "policy.yaml:4: identity-kind: “managed” is not one of kinds; did you mean managed-identity?",
        ),
        (
            [
                (
                    "when: {identity-kind: {kinds: [own-single-tenant, own-multi-tenant, foreign, managed-identity, "
                    "microsoft, agent]}}"
                ),
                "verdict: watch",
            ],
            "policy.yaml:4: identity-kind: this names every kind there is, so it would always hold",
        ),
        (
            ["when: {any: []}", "verdict: watch"],
            "policy.yaml:4: any needs a list of conditions; an empty one would decide nothing",
        ),
        (
            ["when: {sign-in-blocked: {}, risk-state: {}}", "verdict: watch"],
            "policy.yaml:4: one condition is expected here, and there are several; put them under all: or any:",
        ),
        (
            ["when: {any: [sign-in-blocked, {not: sign-in-blocked}]}", "verdict: watch"],
            "policy.yaml:4: rule a would always hold, whatever the case",
        ),
        (
            ["when: {all: [sign-in-blocked, {not: sign-in-blocked}]}", "verdict: watch"],
            "policy.yaml:4: rule a can never hold, whatever the case",
        ),
        (["verdict: watch"], "policy.yaml:3: rule a has no when, so it would always hold"),
        (["when:", "verdict: watch"], "policy.yaml:4: rule a has no when, so it would always hold"),
        (["when: sign-in-blocked"], "policy.yaml:3: rule a has no verdict: ignore, watch, ask, contain"),
        (
            ["when: sign-in-blocked", "verdict: contian", "actions: [block-sign-in]"],
            "policy.yaml:5: unknown verdict “contian”; did you mean contain?",
        ),
        (
            ["when: sign-in-blocked", "verdict: contain"],
            "policy.yaml:3: rule a says contain, but names no action",
        ),
        (
            ["when: sign-in-blocked", "verdict: watch", "actions: [block-sign-in]"],
            "policy.yaml:3: rule a says watch, so its actions would never be carried out",
        ),
        (
            ["when: sign-in-blocked", "verdict: ask", "actions:", "  - block-signin"],
            "policy.yaml:7: unknown action “block-signin”; did you mean block-sign-in?",
        ),
        (
            ["when: sign-in-blocked", "verdict: ask", "actions: [delete-everything]"],
            (
                "policy.yaml:6: unknown action “delete-everything”; there is block-sign-in, replace-credentials and "
                "confirm-compromised"
            ),
        ),
        (
            ["when: sign-in-blocked", "verdict: ask", "actions: [block-sign-in, block-sign-in]"],
            "policy.yaml:6: action block-sign-in is chosen twice",
        ),
        (
            ["when: sign-in-blocked", "verdict: watch", "colour: red"],
            (
                "policy.yaml:6: unknown key “colour”; there is name, when, verdict, actions, ladder, independent, "
                "ask-owners and samples"
            ),
        ),
    ],
)
def test_a_mistake_in_a_rule_says_what_was_probably_meant(lines: list[str], told: str) -> None:
    """File, line, what is wrong, and the nearest name."""
    assert problems(one_rule(*lines)) == (told,)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("limits: {identities-per-hour: 0}", "limits: identities-per-hour must be at least 1"),
        ("limits: {percent-of-enabled-per-hour: -1}", "limits: percent-of-enabled-per-hour must be more than 0"),
        (
            "limits: {percent-of-enabled-per-hour: 101}",
            "limits: percent-of-enabled-per-hour must be at most 100",
        ),
        ("limits: {secrets-per-hour: '5'}", "limits: secrets-per-hour must be a whole number"),
        ("limits: {secrets-per-hour: true}", "limits: secrets-per-hour must be a whole number"),
        (
            "limits: {identity-per-hour: 9}",
            "limits: unknown setting “identity-per-hour”; did you mean identities-per-hour?",
        ),
        ("limits: {percent-of-enabled-per-hour: true}", "limits: percent-of-enabled-per-hour must be a number"),
        ("limits:", "limits: the settings must be a mapping"),
        ("protected: [break-glass]", "protected: the settings must be a mapping"),
        (f"protected: [{{id: {ID}}}]", "protected: reason is missing"),
        (f"protected: [{{id: {ID}, reason: ''}}]", "protected: reason is empty"),
        (
            "protected: [{id: payroll, reason: x}]",
            "protected: id: “payroll” is not a GUID, such as 11111111-2222-3333-4444-555555555555",
        ),
        ("protection: []", "unknown key “protection”; did you mean protected?"),
        ("version: 1", "“version” stands here for the second time; the first is on line 1"),
    ],
)
def test_a_mistake_in_another_section_is_told_alike(section: str, told: str) -> None:
    """Above all one that would take a limit off or leave somebody unprotected."""
    text = one_rule("when: sign-in-blocked", "verdict: watch") + f"\n{section}\n"

    assert problems(text) == (f"policy.yaml:6: {told}",)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """Nobody wants to find the next one after each restart."""
    text = """\
version: 2
rules:
  - name: a
    when: {risk-detection: {levels: [hihg], wihtin: 24h}}
    verdict: contain
    actions: [block]
  - name: a
    when: sign-in-blokced
    verdict: watch
  - when: sign-in-blocked
    verdict: watch
limts: {}
"""
    told = problems(text)

    assert [line.split(":")[1] for line in told] == ["1", "4", "4", "6", "7", "8", "10", "12"]


def test_names_are_unique_and_no_rule_stands_behind_its_twin() -> None:
    """The second would never be reached, which its author surely did not mean."""
    text = one_rule("when: sign-in-blocked", "verdict: watch")
    twice = text + "\n  - name: a\n    when: risk-state\n    verdict: watch"
    twin = text + "\n  - name: b\n    when: {sign-in-blocked: {}}\n    verdict: ignore"

    assert problems(twice) == ("policy.yaml:6: rule a is there already, on line 3",)
    assert problems(twin) == ("policy.yaml:6: rule b asks the same as a, so it is never reached",)


def test_protected_ids_stand_there_once() -> None:
    """In whatever spelling."""
    text = one_rule("when: sign-in-blocked", "verdict: watch")
    text += f"\nprotected:\n  - {{id: {ID}, reason: x}}\n  - {{id: {ID.upper()}, reason: y}}"

    assert problems(text) == ("policy.yaml:8: this id is protected already, on line 7",)


def test_options_are_checked_by_the_action_at_their_line() -> None:
    """The catalogue of actions knows its options; the file knows the line."""

    def check(name: str, options: JsonObject) -> None:
        if options:
            raise ValueError(f"{name} has no options")

    text = one_rule("when: sign-in-blocked", "verdict: ask", "actions:", "  - block-sign-in: {gently: true}")

    with pytest.raises(PolicyWrong) as wrong:
        read_policy(text, "policy.yaml", ACTIONS, check)
    assert wrong.value.problems == ("policy.yaml:7: block-sign-in has no options",)


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nversion: 1\nrules: [*b]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "policy.yaml:1: the file is empty"),
        ("# only a remark\n", "policy.yaml:1: the file is empty"),
        ("- a", "policy.yaml:1: the file must be a mapping with version, limits, protected, rules"),
        ("version: 1", "policy.yaml:1: rules is missing or empty; a policy has rules"),
        ("rules: [", "policy.yaml:1: this is not YAML: expected the node content, but found '<stream end>'"),
        ("version: 1\n\trules: []", "policy.yaml:2: this is not YAML: a tab stands here; indent with blanks"),
        ("version: 1\nx: \x07", "policy.yaml:2: this is not YAML: a character that may not stand in a text file"),
        ("[" * 100, "policy.yaml:1: the file is nested too deeply or has too many parts"),
        ("x" * 300_000, "policy.yaml:1: the file has 300000 characters, 256000 are allowed"),
        ("a: 1\n---\nb: 2", "policy.yaml:2: another document begins here (---); a policy is one"),
    ],
)
def test_what_is_not_a_policy_at_all_is_refused(text: str, told: str) -> None:
    """With the line, as far as there is one."""
    assert told in problems(text)


def test_anchors_and_tags_are_refused_before_anything_is_built() -> None:
    """A few lines of them can unfold into gigabytes, or make objects."""
    assert all("anchors and aliases" in told for told in problems(BOMB))
    assert problems("version: !!python/name:os.system x") == ("policy.yaml:1: tags (!) are not allowed; leave it out",)


@pytest.mark.parametrize("word", ["yes", "no", "on", "Off"])
def test_words_that_yaml_reads_as_something_else_are_pointed_out(word: str) -> None:
    """The country code of Norway is the famous one."""
    told = problems(one_rule("when: sign-in-blocked", f"verdict: {word}"))

    assert told[0] == f"policy.yaml:5: “{word}” may mean true or false; write which, or put it in quotes"


@pytest.mark.parametrize("number", ["010", "1:30", "1e3", "0x10", "1_000", ".inf"])
def test_numbers_are_plain_decimal_numbers(number: str) -> None:
    """A limit of 010 would be eight."""
    text = one_rule("when: sign-in-blocked", "verdict: watch") + f"\nlimits: {{secrets-per-hour: {number}}}"

    assert problems(text)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_bytes(content)
        return path

    return write


def test_a_file_with_a_byte_order_mark_is_read(file: Callable[[bytes], Path]) -> None:
    """Editors on Windows write one."""
    text = one_rule("when: sign-in-blocked", "verdict: watch")

    assert load_policy(file(b"\xef\xbb\xbf" + text.encode()), ACTIONS) == read(text)


def test_a_file_that_is_missing_or_no_text_is_said_so(file: Callable[[bytes], Path], tmp_path: Path) -> None:
    """Nothing is decided by a policy that is not there."""
    with pytest.raises(PolicyWrong, match="cannot be read"):
        load_policy(tmp_path / "missing.yaml", ACTIONS)
    with pytest.raises(PolicyWrong, match=":2: the file is not UTF-8"):
        load_policy(file(b"version: 1\n\xff"), ACTIONS)


WORDS = st.sampled_from(
    [
        "version",
        "rules",
        "name",
        "when",
        "verdict",
        "actions",
        "all",
        "any",
        "not",
        "limits",
        "protected",
        "id",
        "reason",
        "risk-detection",
        "types",
        "levels",
        "sign-in-blocked",
        "watch",
        "contain",
        "block-sign-in",
        "leakedCredentials",
        "1",
        "0",
        "-1",
        "true",
        "~",
        "''",
        "[]",
        "{}",
        "24h",
        "a",
        "b",
    ]
)
PLAIN = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(WORDS, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(st.one_of(PLAIN, st.text(max_size=60), PLAIN.map(lambda text: f"version: 1\nrules: [{text}]")))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    """Whatever stands in the file: a policy, or PolicyWrong with lines; never another exception."""
    try:
        policy = read(text)
    except PolicyWrong as wrong:
        told = wrong.problems
        policy = None
    else:
        told = ()

    assert policy is not None or told
    assert all(line.startswith("policy.yaml:") and line.isprintable() for line in told)
