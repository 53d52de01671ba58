"""Was a consent given that nobody should give?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.audit import LOOK_BACK
from shared.audit_changes import AT_ONCE, Change, ChangeKind
from shared.audit_grants import DELEGATED_GIVEN, Given, Giving, giving, is_by_admin, scopes_listed
from shared.case import AuditActor, AuditRecord, Case, Known, PartName, PeopleWindow, window_of
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, is_unexpected, is_within
from shared.conditions.records import BOTH, changes_about, records_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.privileges import APP_ROLES, Tier
from shared.roles_then import SETTLED, could_consent


class ConsentFlaw(StrEnum):
    """What is wrong with a consent. Values are the policy's words."""

    TENANT_WIDE = "tenant-wide"  # in everybody's name
    BROAD = "broad"  # to something in the catalogue of dangerous permissions
    BROAD_TENANT_WIDE = "broad-tenant-wide"  # to something in that catalogue, in everybody's name
    BY_APPLICATION = "by-application"  # not by a person at all
    MANY_USERS = "many-users"  # many people one by one in a short time
    RARE = "rare"  # hardly anybody has consented to this application
    WITHOUT_ROLE = "without-role"  # for the whole tenant, by a person who held no role for that at the time


_ASKED = (ConsentFlaw.TENANT_WIDE, ConsentFlaw.BROAD, ConsentFlaw.BY_APPLICATION, ConsentFlaw.MANY_USERS)
_RUNGS = (PartName.PEOPLE_DAY, PartName.PEOPLE_WEEK)  # as far back as consents are read


@dataclass(frozen=True, slots=True)
class Consented:
    """
    Met when a consent to this application `within` this time has one of these findings: it holds for the whole
    tenant; it is broad (holds a permission of these `tiers`); an application gave it and no person; or at least
    `users` people gave theirs within `burst`. `by-other-than` names those who may consent (object ids): their consents
    do not count, save in a burst. `broad-tenant-wide` is asked for by name: one permission is both. `rare` is asked
    for by name: at most `rare-people` people hold a consent to the application now, each of their own, and nobody
    gave it for everybody. `without-role` is asked for by name: it looks up whether a person who consented for the
    whole tenant held a role for that at the time, by the roles held now and what the log tells of them since, once
    the log has had its quarter of an hour. The consent and the grants that it makes are one change; a delegated grant
    that is written without any consent, as PowerShell does, counts as one.
    """

    name: ClassVar[str] = "consent"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = (
        "the log does not say to what was consented, who consented, or what came of it; with without-role also where "
        "the roles of that time cannot be told: a role of the tenant's own, a group that gives roles; with rare also "
        "where delegated grants cannot be read"
    )
    may_read: ClassVar[tuple[str, ...]] = ("User.Read.All",)
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[ConsentFlaw] = _ASKED
    """What is wrong with it."""
    within: AuditDuration = LOOK_BACK
    """How long ago at most."""
    tiers: Several[Tier] = tuple(Tier)
    """What counts as broad."""
    users: Annotated[int, Field(ge=2, le=1000, strict=True)] = 5
    """From how many people on it is a burst."""
    rare_people: Annotated[int, Field(ge=1, le=100, strict=True)] = 2
    """Up to how many people make it rare."""
    burst: AuditDuration = timedelta(hours=1)
    """Within which time they must have consented."""
    by_other_than: Several[Guid] | None = None
    """Object ids of those who may consent; left out: whoever it was."""

    def also_reads(self) -> tuple[str, ...]:
        """The permission that these settings take beyond."""
        return self.may_read if ConsentFlaw.WITHOUT_ROLE in self.findings else ()

    def also_needs(self) -> tuple[PartName, ...]:
        """The parts that these settings take beyond."""
        people = (PartName.PEOPLE, *_RUNGS) if ConsentFlaw.WITHOUT_ROLE in self.findings else ()
        return (*((PartName.GRANTS,) if ConsentFlaw.RARE in self.findings else ()), *people)

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        records = records_about(case, case.identity.value)
        consents = [
            change
            for change in _consents(changes_about(case, case.identity.value))
            if case.now - change.at <= self.within
        ]
        doubt: str | None = None
        for change in consents:
            answer, why = self._judge(change, _together(change, records), case)
            if answer:
                return Met(why)
            doubt = doubt or (why if answer is None else None)
        if ConsentFlaw.MANY_USERS in self.findings:
            is_burst, reason = self._burst(consents)
            if is_burst:
                return Met(reason)
            doubt = doubt or (reason if is_burst is None else None)
        if missing := unread(case, BOTH if self._needs_grants() else (PartName.AUDITS,)):
            return missing
        for found in self._looked_up(consents, records, case):
            if isinstance(found, Met) or found.wants or found.settles:
                return found
            doubt = doubt or found.reason
        return Unknown(doubt) if doubt else NotMet(f"none of {len(consents)} consents is of this sort")

    def _looked_up(
        self, consents: Sequence[Change], records: Sequence[AuditRecord], case: Case
    ) -> Iterator[Met | Unknown]:
        """What is asked for by name, because it takes more than the log."""
        if ConsentFlaw.RARE in self.findings and (rare := self._rare(consents, case)):
            yield rare
        if ConsentFlaw.WITHOUT_ROLE in self.findings and (roles := self._roles(consents, records, case)):
            yield roles

    def _needs_grants(self) -> bool:
        """What a consent newly gives stands in its grants more surely than in itself."""
        asked = {
            ConsentFlaw.TENANT_WIDE,
            ConsentFlaw.BROAD,
            ConsentFlaw.BROAD_TENANT_WIDE,
            ConsentFlaw.WITHOUT_ROLE,
        }
        return not asked.isdisjoint(self.findings)

    def _rare(self, consents: Sequence[Change], case: Case) -> Met | Unknown | None:
        """Whether a consent that counts is one of few, by the grants that stand now; None: no, or none counts."""
        judged = [(change, self._counts(change, case)) for change in consents]
        counting = next((change for change, counts in judged if counts), None)
        maybe = counting or next((change for change, counts in judged if counts is None), None)
        if maybe is None:
            return None
        if not isinstance(case.grants, Known):
            return unknown(PartName.GRANTS, case.grants)
        delegated = case.grants.value.delegated
        if not isinstance(delegated, Known):
            return unknown(PartName.GRANTS, delegated)
        people = {grant.user_id for grant in delegated.value if grant.consent_type == "Principal"}
        if len(people) > self.rare_people or any(each.consent_type != "Principal" for each in delegated.value):
            return None
        told = _told(maybe)
        if not people:
            return Unknown(f"{told}: no grant shows that came of it (yet), so how many people consented is not known")
        found = f"{told} is one of few: {len(people)} people consented to this application"
        return Met(found) if counting else Unknown(found)

    def _roles(self, consents: Sequence[Change], records: Sequence[AuditRecord], case: Case) -> Met | Unknown | None:
        """Whether somebody consented for the whole tenant without a role for that; None: nobody did."""
        doubt: Unknown | None = None
        for change in consents:
            given = [each for record in _together(change, records) for each in giving(record).given]
            wide = _is_wide(given, change)
            counts = both(wide, self._counts(change, case))
            if counts is False:
                continue
            if case.now - change.at < SETTLED:
                late = "which roles came and went since may not be in the log yet"
                doubt = doubt or Unknown(f"{_told(change)}: {late}", settles=True)
                continue
            answer, why = _held_role(change, given, case)
            if isinstance(answer, Unknown):
                return answer
            told = f"{_told(change)}: {why}"
            if answer is False and counts:
                return Met(told)
            if answer is not True:
                doubt = doubt or Unknown(told)
        return doubt

    def _counts(self, change: Change, case: Case) -> bool | None:
        """Whether it happened, in this time, by somebody who is not expected to."""
        happened = True if any(record.result == "success" for record in change.records) else None
        recent = is_within(change.at, self.within, case.now)
        return both(happened, is_unexpected(change.actor, self.by_other_than), recent)

    def _judge(self, change: Change, records: Sequence[AuditRecord], case: Case) -> tuple[bool | None, str]:
        found = [giving(record) for record in records]
        told, who = _told(change), self._counts(change, case)
        if who is False:
            return False, ""
        flaws = [flaw for flaw in self._flaws(found, change) if flaw[0] in self.findings]
        if flaws:
            return who, f"{told} {flaws[0][1]}"
        unread_text = next((each.unread for each in found if each.unread), None) or self._for_whom(found)
        if unread_text and self._needs_grants():
            return None, f"{told} cannot be judged: {unread_text}"
        return False, ""

    def _for_whom(self, found: Sequence[Giving]) -> str | None:
        """A broad permission of which the log does not say whether it holds for everybody."""
        given = [each for giving_ in found for each in giving_.given if each.kind == "delegated"]
        asked = ConsentFlaw.BROAD_TENANT_WIDE in self.findings
        open_ = (each for each in given if asked and each.everybody is None and self._is_asked_for(each))
        return next((f"it does not say for whom {each.name} is" for each in open_), None)

    def _is_asked_for(self, given: Given) -> bool:
        return given.privilege is not None and given.privilege.tier in self.tiers

    def _flaws(self, found: Sequence[Giving], change: Change) -> Iterator[tuple[ConsentFlaw, str]]:
        given = [each for giving_ in found for each in giving_.given]
        broad = [each for each in given if self._is_asked_for(each)]
        for each in broad:
            whom = " for the whole tenant" if each.everybody else ""
            said = f"gives {each.name} ({each.privilege.tier if each.privilege else ''}){whom}"
            yield ConsentFlaw.BROAD, said
            if each.everybody:
                yield ConsentFlaw.BROAD_TENANT_WIDE, said
        if wide := [each.name for each in given if each.everybody and each.kind != "directory-role"]:
            yield ConsentFlaw.TENANT_WIDE, f"holds for the whole tenant: {', '.join(wide[:5])}"
        if _is_by_application(change):
            yield ConsentFlaw.BY_APPLICATION, "was given by an application and no person"

    def _burst(self, consents: Sequence[Change]) -> tuple[bool | None, str]:
        """
        At least so many different people within the time of a burst, wherever it begins. Each one whom the log does not
        name may be another.
        """
        given = [(change.at, change.actor.user_id) for change in consents if not _is_by_application(change)]
        maybe: tuple[bool | None, str] = False, ""
        for place, (begun, _) in enumerate(given):
            those = [who for at, who in given[place:] if at - begun <= self.burst]
            people = {who for who in those if who}
            if len(people) >= self.users:
                return True, f"{len(people)} people consented within {_minutes(self.burst)} from {utc(begun)} on"
            if len(people) + those.count(None) >= self.users:
                maybe = (
                    None,
                    f"the log does not name everybody who consented from {utc(begun)} on, and they may be many",
                )
        return maybe


def _consents(made: Sequence[Change]) -> list[Change]:
    """
    Consents, and the delegated grants that somebody wrote without one: Graph takes those directly. A grant of a
    consent's correlation id comes of it; whoever calls chooses that id, so only about the same time, not by another
    person, and no more than the consent lists: the log may name a service for it, and nobody else.
    """
    agreed = [change for change in made if ChangeKind.CONSENT in change.kinds]
    known = [(record.correlation_id, change) for change in agreed for record in change.records]
    alone = [
        change
        for change in made
        if ChangeKind.CONSENT not in change.kinds
        and any(record.activity == DELEGATED_GIVEN for record in change.records)
        and not any(
            id_ == change.records[0].correlation_id
            and abs(consent.at - change.at) <= AT_ONCE
            and not _is_another_person(change.actor, consent)
            and not _gives_more(change, consent)
            for id_, consent in known
        )
    ]
    return sorted([*agreed, *alone], key=lambda change: change.at)


def _is_another_person(actor: AuditActor, consent: Change) -> bool:
    return actor.user_id not in (None, consent.actor.user_id)


def _gives_more(grant: Change, consent: Change) -> bool:
    """Whether a workload gave a scope that the consent does not list; where that is told of none, it is left open."""
    listed = frozenset(scope for record in consent.records for scope in scopes_listed(record))
    if grant.actor.user_id is not None or not listed:
        return False
    return any(each.name.casefold() not in listed for record in grant.records for each in giving(record).given)


def _is_by_application(change: Change) -> bool:
    actor = change.actor
    return actor.user_id is None and bool(actor.principal_id or actor.client_id)


def _told(change: Change) -> str:
    return f"the consent by {actor_text(change.actor)} at {utc(change.at)} (record {change.records[0].id})"


def _is_wide(given: Sequence[Given], change: Change) -> bool | None:
    """Whether it holds for the whole tenant, which takes a role; what is not told of may."""
    if any(each.everybody for each in given if each.kind != "directory-role"):
        return True
    if given and all(each.everybody is False for each in given):
        return False
    return None if any(is_by_admin(record) is not False for record in change.records) else False


def _held_role(change: Change, given: Sequence[Given], case: Case) -> tuple[bool | Unknown | None, str]:
    """Whether the one who consented held a role for it then; an Unknown of its own while people are to be read."""
    if change.actor.user_id is None:
        return None, "no person gave it, and what an application may is not looked up"
    if not isinstance(case.people, Known):
        return unknown(PartName.PEOPLE, case.people), ""
    windows = list[PeopleWindow]()
    for rung in _RUNGS:
        part = window_of(case, rung)
        if not isinstance(part, Known):
            return unknown(rung, part), ""
        windows.append(part.value)
    person = next((each for each in case.people.value.persons if each.id == change.actor.user_id), None)
    if person is None:
        return None, "the person was not among those who were looked at"
    seen = [(window.since, each) for window in windows for each in window.seen if each.user_id == person.id]
    of_graph = any(each.kind == "app-role" and each.role_id in APP_ROLES for each in given)
    return could_consent(person, seen, change.at, to_app_roles_of_graph=of_graph)


def _together(change: Change, records: Sequence[AuditRecord]) -> list[AuditRecord]:
    """The records of a consent and of the grants that came of it, by the same person or whichever service is named."""
    own = {record.correlation_id for record in change.records} - {None}
    alike = [record for record in records if record.correlation_id in own and record not in change.records]
    others = [record for record in alike if not _is_another_person(record.actor, change)]
    return [*change.records, *(record for record in others if record.result != "failure")]


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g} min"
