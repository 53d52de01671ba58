"""The operator's own list of whom to call: who matches, and what is told of a file that is wrong."""

from pathlib import Path

import pytest

from shared.contacts import Contacts, load_contacts, read_contacts
from shared.errors import ContactsWrong

CLIENT = "7a0f4a9e-0000-4000-8000-000000000001"
VENDOR = "7a0f4a9e-0000-4000-8000-00000000000f"
FILE = f"""
version: 1
contacts:
  - {{team: Whoever buys, reach: purchasing desk, tenants: [{VENDOR}]}}
  - {{team: Everything tagged, reach: channel payroll, tags: [Payroll]}}
  - team: Payroll platform
    reach: on-call +31 20 555 0100
    applications: [{CLIENT.upper()}]
"""


def read(text: str) -> Contacts:
    return read_contacts(text, "contacts.yaml")


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ContactsWrong) as caught:
        read(text)
    return caught.value.problems


def test_whoever_names_an_application_stands_before_those_who_share_a_tag_or_a_vendor() -> None:
    """Each with what it matched by; tags fold their case, as the portal does not."""
    found = read(FILE).of(CLIENT, ["HideApp", "payroll"], VENDOR)

    assert [(each.team, each.because) for each in found] == [
        ("Payroll platform", f"client id {CLIENT}"),
        ("Everything tagged", "tag payroll"),
        ("Whoever buys", f"tenant {VENDOR}"),
    ]


def test_an_application_that_nobody_lists_has_nobody_to_call() -> None:
    """No default: a wrong team at night is worse than none."""
    assert read(FILE).of(VENDOR, [], None) == ()


def test_the_same_file_can_be_json() -> None:
    """An export of a register of services often is."""
    text = f'{{"version": 1, "contacts": [{{"team": "A", "reach": "B", "applications": ["{CLIENT}"]}}]}}'

    assert read(text).of(CLIENT, [], None)[0].reach == "B"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("contacts: []", "contacts.yaml:1: write version: 1"),
        ("version: 1\ncontact: []", "contacts.yaml:2: unknown setting “contact”; did you mean contacts?"),
        ("version: 1\ncontacts:\n  team: A", "contacts.yaml:2: contacts must be a list"),
        ("version: 1\ncontacts:\n  - {team: A, reach: B}", "contacts.yaml:3: contact: it names no applications"),
        ("version: 1\ncontacts:\n  - {team: A, tags: [x]}", "contacts.yaml:3: contact: reach is missing"),
        ("version: 1\ncontacts:\n  - team: A\n    reach: B\n    applications: [payroll]", "contacts.yaml:5: contact"),
        ("version: 1\ncontacts:\n  - team: A\n    raech: B\n    tags: [x]", "contacts.yaml:4: contact"),
        ('version: 1\ncontacts:\n  - team: A\n    reach: "B\\u202E"\n    tags: [x]', "contacts.yaml:4: contact"),
        ("- 1", "contacts.yaml:1: the file must be a mapping"),
    ],
)
def test_a_mistake_is_told_with_its_line(wrong: str, told: str) -> None:
    """All of them at once, and nothing is loaded."""
    assert any(each.startswith(told) for each in mistakes(wrong)), mistakes(wrong)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Nobody to call because of a typing error would be noticed at night."""
    with pytest.raises(ContactsWrong, match="cannot be read"):
        load_contacts(tmp_path / "contacts.yaml")
