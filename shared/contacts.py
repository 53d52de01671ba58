"""
Whom to call: the operator's own list, beside the policy. Reads and checks the file; a mistake loads nothing.

    version: 1
    contacts:
      - team: Payroll platform
        reach: on-call +31 20 555 0100
        applications: [7a0f4a9e-0000-4000-8000-000000000001]   # client ids
        tags: [payroll]                                        # of the service principal or its application
        tenants: []                                            # whose applications a vendor's are

Who reads of a match is told by which of these it came. Names and ways to reach somebody are the operator's own text;
nobody is called, and nothing is sent there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, field_validator
from pydantic.dataclasses import dataclass as checked

from shared.conditions.settings import SETTINGS, Guid
from shared.entries import TeamTold
from shared.errors import ContactsWrong
from shared.lined_yaml import Node, read_yaml
from shared.mistakes import Mistakes
from shared.untrusted import one_line

_MOST = 5_000
_TOP = ("version", "contacts")
_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Tag = Annotated[str, Field(min_length=1, max_length=120)]


@checked(frozen=True, slots=True, config=SETTINGS)
class Team:
    """One entry of the file."""

    team: _Text
    reach: _Text
    applications: tuple[Guid, ...] = ()
    tags: tuple[_Tag, ...] = ()
    tenants: tuple[Guid, ...] = ()

    @field_validator("team", "reach")
    @classmethod
    def _on_one_line(cls, text: str) -> str:
        if one_line(text, 200) != text:
            raise ValueError("is not one line of visible characters")
        return text

    def why(self, client_id: str, tags: Iterable[str], owner_tenant: str | None) -> str | None:
        """By what this team answers for an application, the surest first; None if it does not."""
        if client_id in self.applications:
            return f"client id {client_id}"
        known = {tag.casefold() for tag in self.tags}
        if tag := next((each for each in tags if each.casefold() in known), None):
            return f"tag {one_line(tag, 120)}"
        return f"tenant {owner_tenant}" if owner_tenant in self.tenants else None


@dataclass(frozen=True, slots=True)
class Contacts:
    """The file's entries, in its order."""

    teams: tuple[Team, ...] = ()

    def of(self, client_id: str, tags: Iterable[str], owner_tenant: str | None) -> tuple[TeamTold, ...]:
        """Who answers for this application by the file: those that name it before those that match by tag or tenant."""
        tags = tuple(tags)
        found = ((each, each.why(client_id, tags, owner_tenant)) for each in self.teams)
        told = [TeamTold(team=each.team, reach=each.reach, because=why) for each, why in found if why]
        return tuple(sorted(told, key=lambda each: _SUREST.index(each.because.partition(" ")[0])))


_SUREST = ("client", "tag", "tenant")
NOBODY = Contacts()


def load_contacts(path: Path) -> Contacts:
    """Read the file. Raises ContactsWrong with every mistake, also if there is none."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ContactsWrong((f"{path}:1: the file cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise ContactsWrong((f"{path}:1: the file is not UTF-8; save it as UTF-8",)) from error
    return read_contacts(text, str(path))


def read_contacts(text: str, name: str) -> Contacts:
    """Read contacts from YAML, or JSON; `name` stands before the line numbers. Raises ContactsWrong."""
    mistakes = Mistakes(name)
    root = read_yaml(text, mistakes.note_unread)
    teams = _teams(root, mistakes) if root is not None else ()
    if mistakes:
        raise ContactsWrong(mistakes.lines())
    return Contacts(teams)


def _teams(root: Node, mistakes: Mistakes) -> tuple[Team, ...]:
    entries = root.entries
    if entries is None:
        mistakes.note(root.line, "the file must be a mapping with version and contacts")
        return ()
    for key, entry in entries.items():
        if key not in _TOP:
            mistakes.unknown(entry.line, "setting", key, _TOP)
    version, listed = entries.get("version"), entries.get("contacts")
    if version is None or version.node.value != 1 or isinstance(version.node.value, bool):
        mistakes.note(version.line if version else root.line, "write version: 1")
    items = listed.node.items if listed else None
    if listed is None or items is None:
        mistakes.note(listed.line if listed else root.line, "contacts must be a list; begin each with a dash")
        return ()
    if len(items) > _MOST:
        mistakes.note(listed.line, f"{len(items)} contacts are too many; {_MOST} are allowed")
        return ()
    return tuple(team for item in items if (team := _team(item, mistakes)) is not None)


def _team(item: Node, mistakes: Mistakes) -> Team | None:
    team = mistakes.checked(_TEAM, item, "contact")
    if team is not None and not (team.applications or team.tags or team.tenants):
        mistakes.note(item.line, "contact: it names no applications, tags or tenants, so it would match nobody")
        return None
    return team


_TEAM = TypeAdapter(Team)
