"""Whatever is wrong with a policy is told with its line and what to write instead; nothing wrong is taken for right."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.actions import check_policy_action, choosable
from shared.errors import PolicyWrong
from shared.policy import load_policy, read_policy

SHIPPED = (Path(__file__).parents[2] / "policies" / "default.yaml").read_text("utf-8")
ID = "11111111-2222-3333-4444-555555555555"


def problems(text: str) -> tuple[str, ...]:
    """What is told of a text; nothing if it is a policy."""
    try:
        read_policy(text, "p", choosable(), check_policy_action)
    except PolicyWrong as wrong:
        return wrong.problems
    return ()


def rule(*lines: str) -> str:
    """A policy of one rule, whose lines begin on line 4."""
    return "\n".join(["version: 1", "rules:", "  - name: a", *(f"    {line}" for line in lines)]) + "\n"


def when(condition: str) -> str:
    return rule(f"when: {condition}", "verdict: watch")


def contain(*actions: str) -> str:
    """A rule that contains; its actions are on line 6."""
    return rule("when: sign-in-blocked", "verdict: contain", f"actions: [{', '.join(actions)}]")


def top(section: str) -> str:
    """A whole policy, and a section on line 6."""
    return rule("when: sign-in-blocked", "verdict: watch") + section + "\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # The file's form
        ("version: 1\nrules:\n\t- name: a\n", "3: this is not YAML: a tab stands here; indent with blanks"),
        ("version: 1\nrules:\n  - name: a\n     when: x\n", "4: this is not YAML: a colon is not expected here"),
        ("version:1\nrules: []\n", "2: this is not YAML: a colon is not expected here; look at the indentation"),
        (rule("when:\u00a0sign-in-blocked", "verdict: watch"), "4: this is not YAML: a key without a colon"),
        (when("@blocked"), "4: this is not YAML: a character stands here that begins nothing; put the text in quotes"),
        (when("{all: [sign-in-blocked"), "5: this is not YAML: expected ',' or ']'"),
        ("version: 1\n? [a]\n: b\n", "2: a key must be a plain word"),
        (rule("when: &x sign-in-blocked", "verdict: watch"), "4: anchors and aliases (& and *) are not allowed"),
        ("a: 1\nb: *a\n", "2: anchors and aliases (& and *) are not allowed; write it out"),
        (when("!!str sign-in-blocked"), "4: tags (!) are not allowed; leave it out"),
        (top("---\nversion: 1"), "6: another document begins here (---); a policy is one"),
        (when("{not: " * 60 + "sign-in-blocked" + "}" * 60), "4: the file is nested too deeply"),
        (rule("when: sign-in-blocked", "verdict: watch", "<<: {}"), "6: unknown key “<<”"),
        # The sections
        (top("rules: []"), "6: “rules” stands here for the second time; the first is on line 2"),
        ("version: '1'\nrules: []\n", "1: this version of Cordon reads policies of version 1"),
        ("version: true\nrules: []\n", "1: this version of Cordon reads policies of version 1"),
        ("version: 1\nrules: {name: a}\n", "2: rules must be a list; begin each rule with a dash"),
        ("version: 1\nrules:\n  -name: a\n", "2: rules must be a list; begin each rule with a dash"),
        ("version: 1\nrules: [leaked]\n", "2: a rule must be a mapping with name, when, verdict"),
        (top("limits: {identities-per-hour: unlimited}"), "6: limits: identities-per-hour must be a whole number"),
        (top("limits: {identities-per-hour: }"), "6: limits: identities-per-hour has no value; write one, or leave"),
        (top("limits: {percent-of-enabled-per-hour: 2%}"), "6: limits: percent-of-enabled-per-hour must be a number"),
        (top("limits: {actions-per-hour: 30}"), "6: limits: actions-per-hour must be a mapping"),
        (top("limits: {actions-per-hour: {reversable: 3}}"), "6: limits: unknown setting “reversable”; did you mean"),
        (top("protected: [{name: payroll, reason: x}]"), "6: protected: unknown setting “name”; there is id and reas"),
        (top(f"protected: [{{id: {ID}, reason: '  '}}]"), "6: protected: reason: “” is blank; say why"),
        (
            top(f"protected: [{{id: {ID}, reason: x}}, {{id: {ID}, reason: y}}]"),
            "6: this id is protected already, on line 6",
        ),
        # The rule
        (
            "version: 1\nrules: [{name: Leaked Key, when: sign-in-blocked, verdict: watch}]\n",
            "2: a rule needs a name such as leaked-credential: small letters, digits and dashes",
        ),
        (
            "version: 1\nrules: [{name: a, when: risk-state, verdict: ask}, {name: a, when: risk-state, verdict: ask}]",
            "2: rule a is there already, on line 2",
        ),
        (rule("when: sign-in-blocked", "verdict: block"), "5: unknown verdict “block”; did you mean contain?"),
        (rule("when: sign-in-blocked", "verdict: [watch]"), "5: unknown verdict (a list); there is ignore"),
        (rule("when: sign-in-blocked", "verdict: contain", "actions: custody"), "6: actions must be a list"),
        # The condition
        (when("[sign-in-blocked]"), "4: one condition is expected here, and there is a list; put it under all: or"),
        (when("5"), "4: one condition is expected here, and there is a number or a switch; name a condition"),
        (when("{}"), "4: one condition is expected here, and there are none"),
        (when("{not: [sign-in-blocked]}"), "4: one condition is expected here, and there is a list"),
        (when("{all: sign-in-blocked}"), "4: all needs a list of conditions; begin each with a dash, or put"),
        (when("{or: [sign-in-blocked, risk-state]}"), "4: unknown condition “or”; did you mean any?"),
        (when("{And: [sign-in-blocked, risk-state]}"), "4: unknown condition “And”; did you mean all?"),
        (when("{risk_detection: {}}"), "4: unknown condition “risk_detection”; did you mean risk-detection?"),
        (when("“sign-in-blocked”"), "did you mean sign-in-blocked?"),
        (when("{risk-detection: [high]}"), "4: risk-detection: the settings must be a mapping"),
        (when("{risk-detection: {levels: }}"), "4: risk-detection: levels has no value; write one, or leave it out"),
        (when("{risk-detection: {levels: [3]}}"), "4: risk-detection: 3 is not one of levels; there is low, medium"),
        (when("{risk-detection: {within: 24}}"), "4: risk-detection: within must be a duration such as 90m, 24h or 7d"),
        (when("{risk-detection: {within: -5m}}"), "4: risk-detection: within: “-5m” must be a duration such as 90m"),
        (when("{risk-detection: {within: 2w}}"), "4: risk-detection: within: “2w” must be a duration such as 90m"),
        (when(f"{{credential-added: {{by_other_than: [{ID}]}}}}"), "did you mean by-other-than?"),
        (when(f"{{credential-added: {{by-other-than: {ID}}}}}"), "4: credential-added: by-other-than must be a list"),
        (when("{credential-added: {by-other-than: [deploy]}}"), "“deploy” is not a GUID, such as 11111111-2222"),
        (when("{credential-exposed: {tiers: ['1']}}"), "“1” is not one of tiers; write 1 without quotes"),
        (when("{dangerous-permission: {escalates: 'true'}}"), "4: dangerous-permission: escalates must be true or"),
        (when("{dangerous-permission: {escalates: 1}}"), "4: dangerous-permission: escalates must be true or false"),
        (when("{sign-in-failures: {at-least: 2.5}}"), "4: sign-in-failures: at-least must be a whole number"),
        (when("{sign-in-frequency: {times: '3'}}"), "4: sign-in-frequency: times must be a number"),
        (when("{publisher: {trusted-publishers: [123456]}}"), "trusted-publishers must be a text; put it in quotes"),
        (when("{publisher: {findings: [unknown-tenant]}}"), "this names unknown-tenant without trusted-tenants"),
        (when("{owners: {findings: [unexpected]}}"), "4: owners: this names unexpected without expected"),
        (when("{odd-hour: {hours: 22-6}}"), "4: odd-hour: hours: “22-6” must be hours of the day such as 22:00-06:00"),
        (when("{odd-hour: {days: [sat], utc-offset: CET}}"), "“CET” must be an offset from UTC such as +01:00"),
        (
            when("{redirect-uri: {known-domains: ['https://contoso.example']}}"),
            "4: redirect-uri: known-domains: “https://contoso.example” is not a domain, such as contoso.example",
        ),
        # The actions
        (contain("{block-sign-in: {}, custody: {}}"), "6: one action is expected here, and there are several; begin"),
        (contain("Block-Sign-In"), "6: unknown action “Block-Sign-In”; did you mean block-sign-in?"),
        (contain("delete-application"), "6: delete-application is done only on a person's order"),
        (contain("{replace-credentials: {new-certificate: 1}}"), "6: new-certificate is true or false"),
        (contain("{rotate-secrets: {tiers: [1], ask: [3]}}"), "6: ask of rotate-secrets names tier 3, which is not"),
        (contain("block-sign-in", "dismiss-risk"), "6: rule a: dismiss-risk says that nothing is wrong, so no other"),
        # The samples
        (rule("when: sign-in-blocked", "verdict: watch", "samples: [{}]"), "6: samples of rule a must be a mapping"),
        (
            rule("when: sign-in-blocked", "verdict: watch", "samples:", "  must-fire: [{risk: }]"),
            "7: must-fire: risk has no value; write one, or leave it out",
        ),
        (
            rule("when: sign-in-blocked", "verdict: watch", "samples:", "  must-fire: [{enabled: 'no'}]"),
            "7: must-fire: enabled must be true or false",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_remedy(text: str, told: str) -> None:
    """Each was made by somebody, or will be."""
    found = problems(text)

    assert any(told in line for line in found), found


@pytest.mark.parametrize("value", ["yes", "on", "1:30"])
def test_a_value_that_yaml_reads_in_two_ways_is_told_once(value: str) -> None:
    """Not once more as missing."""
    assert len(problems(when(f"{{dangerous-permission: {{escalates: {value}}}}}"))) == 1


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_are_counted_alike_whatever_ends_them(ending: str, tmp_path: Path) -> None:
    """As the editor that made the file shows them."""
    path = tmp_path / "p.yaml"
    path.write_bytes(when("sign-in-blokced").replace("\n", ending).encode("utf-8-sig"))

    with pytest.raises(PolicyWrong) as wrong:
        load_policy(path, choosable(), check_policy_action)
    assert wrong.value.problems == (f"{path}:4: unknown condition “sign-in-blokced”; did you mean sign-in-blocked?",)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_says_how_to_save_it(encoding: str, tmp_path: Path) -> None:
    """Windows still offers them."""
    path = tmp_path / "p.yaml"
    path.write_bytes(when("sign-in-blocked # ä").encode(encoding))

    with pytest.raises(PolicyWrong, match="the file is not UTF-8; save it as UTF-8"):
        load_policy(path, choosable(), check_policy_action)


LINES = SHIPPED.splitlines()[:150]  # rules of each sort, with samples
WORDS = sorted(set(re.findall(r"[A-Za-z0-9-]+|[\[\]{}:,&*!|>'\"#%@~]", SHIPPED)))


def damaged(chance: random.Random) -> str:
    """The shipped policy after somebody's bad day."""
    lines = list(LINES)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                del lines[place]
            case 1:
                lines.insert(place, lines[chance.randrange(len(lines))])
            case 2:
                words = lines[place].split(" ")
                words[chance.randrange(len(words))] = chance.choice(WORDS)
                lines[place] = " ".join(words)
            case 3:
                lines[place] = " " * chance.randint(1, 5) + lines[place]
            case 4:
                cut = chance.randint(0, len(lines[place]))
                lines[place] = (
                    lines[place][:cut]
                    + chance.choice(["\t", "\u00a0", "\x00", "ä", "“", ": ", "- ", "~"])
                    + lines[place][cut:]
                )
            case _:
                cut = chance.randint(0, len(lines[place]))
                lines[place] = lines[place][:cut]
    return "\n".join(lines)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_damaged_policy_is_a_policy_or_says_where_it_is_not_one(chance: random.Random) -> None:
    """Never another exception, never a line that is not there, never a message of two lines."""
    text = damaged(chance)
    count = len(re.split(r"\r\n|\r|\n|\u0085|\u2028|\u2029", text))

    for line in problems(text):
        place = re.match(r"p:(\d+): \S", line)
        assert place is not None, line
        assert 1 <= int(place[1]) <= count
        assert line.isprintable()
