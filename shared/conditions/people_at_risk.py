"""Was somebody who stands behind the identity phished, as far as the logs tell?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, WithJsonSchema

from shared.case import (
    PEOPLE_WINDOWS,
    Case,
    CouldNotLook,
    Known,
    NotLooked,
    PartName,
    People,
    PeopleWindow,
    Person,
    SeenOfPerson,
    Way,
    window_of,
)
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import DURATION_SCHEMA, SETTINGS, Duration, Several
from shared.people_signs import LEARNED, MAILBOXES, Found, Sign, look_at_standing, look_for_new, look_in_window, name_of

Level: TypeAlias = Literal["low", "medium", "high"]

_RUNGS = tuple(PEOPLE_WINDOWS)
_MOST_GAPS = 4  # that a reason names; it says how many more there are


def _a_rung(length: timedelta) -> timedelta:
    if length not in PEOPLE_WINDOWS.values():
        raise ValueError("must be 24h, 7d, 14d or 30d: the look-back widens in these steps")
    return length


Longest = Annotated[Duration, AfterValidator(_a_rung), WithJsonSchema({**DURATION_SCHEMA, "examples": ["7d", "30d"]})]


@dataclass(slots=True)
class _Ladder:
    """What the rungs showed so far: which were looked at, and what was not covered of them."""

    looked: list[str] = field(default_factory=list[str])
    gaps: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def told(self) -> str:
        rungs = [each for each in self.looked if each not in self.gaps]
        clean = f"no sign within {', '.join(rungs)}" if rungs else "nothing was looked at whole"
        return f"{clean}; not covered: {_some(self._gaps())}" if self.gaps else clean

    def add(self, rung: str, who: str, gaps: Sequence[str]) -> None:
        if gaps:
            self.gaps.setdefault(rung, []).extend(f"{who}: {gap}" if who else gap for gap in gaps)

    def _gaps(self) -> list[str]:
        return [f"{rung} ({_some(list(dict.fromkeys(gaps)))})" for rung, gaps in self.gaps.items()]


@dataclass(frozen=True, slots=True)
class PeopleAtRisk:
    """
    Met when one of the people behind the identity (`who`: owners, whoever consented or granted, whoever added a
    credential) shows one of these `signs`, of these risk `levels`. It looks at the last 24 hours first, and widens to
    7, 14 and 30 days (`longest`) only while nothing is found. A rung that a log does not reach, or that a licence or a
    permission hides, is not covered: then it is unknown, unless another rung shows a sign. new-country and new-network
    are told against the user's own sign-ins before, so they take all rungs to learn from. Rules of mailboxes are not in
    Entra's logs: inbox-rule is met by a detection, and else unknown. Needs Entra ID P2 for risk, P1 for sign-ins.
    """

    name: ClassVar[str] = "people-at-risk"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.PEOPLE, *_RUNGS)
    unknown_when: ClassVar[str] = (
        "a step of the look-back is not covered by a log, a licence hides a level, an owner or an actor could not be "
        "seen, there are more than eight people, or too few sign-ins to learn from"
    )
    reads: ClassVar[tuple[str, ...]] = ("IdentityRiskyUser.Read.All", "User.Read.All")
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    who: Several[Way] = tuple(Way)
    """Who of them is looked at."""
    signs: Several[Sign] = (
        Sign.AT_RISK,
        Sign.RISK_DETECTION,
        Sign.RISKY_SIGN_IN,
        Sign.DEVICE_CODE,
        Sign.SECURITY_INFO,
        Sign.PASSWORD_RESET,
    )
    """What is looked for."""
    levels: Several[Level] = ("medium", "high")
    """Of users, detections and risky sign-ins: the levels that count."""
    longest: Longest = PEOPLE_WINDOWS[PartName.PEOPLE_MONTH]
    """The last step: 24h, 7d, 14d or 30d."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.people, Known):
            return unknown(PartName.PEOPLE, case.people)
        people = case.people.value
        persons = [each for each in people.persons if not each.ways.isdisjoint(self.who)]
        ladder = _Ladder()
        for rung in self._rungs():
            window = window_of(case, rung)
            if persons and isinstance(window, NotLooked):
                return Unknown(f"{ladder.told()}; {_name(rung)} was not looked at", frozenset({rung}))
            if hit := self._climb(ladder, rung, window, persons):
                return Met(hit)
        learned = self._learned(case, ladder, persons)
        if learned is not None:
            return learned
        self._miss(ladder, people)
        if ladder.gaps:
            return Unknown(ladder.told())
        return NotMet(f"{ladder.told()} of {len(persons)} people behind it; {MAILBOXES}")

    def _rungs(self) -> Iterator[PartName]:
        return (rung for rung in _RUNGS if PEOPLE_WINDOWS[rung] <= self.longest)

    def _climb(
        self,
        ladder: _Ladder,
        rung: PartName,
        window: Known[PeopleWindow] | CouldNotLook | NotLooked,
        persons: Sequence[Person],
    ) -> str | None:
        """Look at one rung; what it shows, if it shows a sign."""
        name = _name(rung)
        ladder.looked.append(name)
        first = rung is _RUNGS[0]
        for person in persons:
            found = look_at_standing(person, self.signs, self.levels) if first else Found(None, ())
            if found.hit is None:
                more = self._in_window(person, window)
                found = Found(more.hit, (*found.gaps, *more.gaps))
            ladder.add(name, name_of(person), found.gaps)
            if found.hit:
                return self._told(person, found.hit, ladder, name)
        return None

    def _in_window(self, person: Person, window: Known[PeopleWindow] | CouldNotLook | NotLooked) -> Found:
        if not isinstance(window, Known):
            return Found(
                None, (f"could not be read: {window.why if isinstance(window, CouldNotLook) else 'not looked'}",)
            )
        since, until = window.value.since, window.value.until
        seen = _of(person, window.value)
        if seen is None:
            return Found(None, ("was not among those who were looked at",))
        return look_in_window(person, seen, since, until, self.signs, self.levels)

    def _learned(self, case: Case, ladder: _Ladder, persons: Sequence[Person]) -> Finding | None:
        """Signs that take all rungs to learn from; the newest rung first."""
        signs = [sign for sign in self.signs if sign in LEARNED]
        if not signs or not persons:
            return None
        windows = list[PeopleWindow]()
        for rung in _RUNGS:
            part = window_of(case, rung)
            if isinstance(part, NotLooked):
                return Unknown(f"{ladder.told()}; {_name(rung)} is needed to learn from", frozenset({rung}))
            if not isinstance(part, Known):
                ladder.add(_name(rung), "", [f"sign-ins to learn from could not be read: {part.why}"])
                return None
            windows.append(part.value)
        for rung, window in zip(self._rungs(), windows[:-1], strict=False):  # before the last one there is nothing
            for person in persons:
                mine = [seen for each in windows if (seen := _of(person, each)) is not None]
                for sign in signs:
                    found = look_for_new(mine, window.since, window.until, sign)
                    if found.hit:
                        return Met(self._told(person, found.hit, ladder, _name(rung)))
                    ladder.add(_name(rung), name_of(person), (*found.gaps, *_missing_of(person, window)))
        return None

    def _miss(self, ladder: _Ladder, people: People) -> None:
        """Who may stand behind it as well, and was not to be seen."""
        unseen = [f"{way}: {why}" for way, why in people.unseen if way in self.who]
        ladder.add("who else there may be", "", unseen)
        if people.left_out:
            ladder.add("who else there is", "", [f"{len(people.left_out)} more people than are looked at"])

    def _told(self, person: Person, hit: str, ladder: _Ladder, rung: str) -> str:
        ways = ", ".join(sorted(person.ways & set(self.who)))
        before = [each for each in ladder.looked if each != rung]
        more = f"; nothing within {', '.join(before)}" if before and rung == ladder.looked[-1] else ""
        return f"{name_of(person)} ({ways}): {hit}; found within {rung}{more}"


def _of(person: Person, window: PeopleWindow) -> SeenOfPerson | None:
    return next((each for each in window.seen if each.user_id == person.id), None)


def _missing_of(person: Person, window: PeopleWindow) -> tuple[str, ...]:
    """Why one of their sign-ins may not be among those that a window shows."""
    seen = _of(person, window)
    return tuple(each for each in seen.doubts if "sign-ins" in each) if seen else ()


def _name(rung: PartName) -> str:
    days = PEOPLE_WINDOWS[rung].days
    return "24 h" if days == 1 else f"{days} d"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _MOST_GAPS} more" if len(texts) > _MOST_GAPS else ""
    return f"{'; '.join(texts[:_MOST_GAPS])}{more}"
