"""The investigation: what the policy's conditions ask for, cheapest first, and no more."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from shared.actions import ACTIONS
from shared.case import CouldNotLook, Grants, Known, LogSource, PartName, SignInLog
from shared.identity import IdentityRef
from shared.investigation import Investigation, as_entry, investigate
from shared.policy import Policy, Verdict, read_policy
from shared.signal import Signal
from shared.tenant import Gathered
from tests.fakes import PAYROLL, START, TENANT_ID, FakeClock, FakeDirectory, app_role, payroll
from tests.policy.test_audit_grants import consent as agreed

NAMES = [action.name for action in ACTIONS]
CONTAINS = """
    verdict: contain
    actions: [block-sign-in]
"""


class Watched(FakeDirectory):
    """Remembers which parts were asked for together, in order."""

    asked: list[frozenset[PartName]]

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        self.asked = [*getattr(self, "asked", []), parts]
        return await super().look(subject, parts)


def policy(when: str) -> Policy:
    return read_policy(f"version: 1\nrules:\n  - name: r\n    when: {when}{CONTAINS}", "p.yaml", NAMES)


def look_into(directory: FakeDirectory, when: str) -> Investigation:
    made = policy(when)
    return asyncio.run(investigate(directory, made, IdentityRef(PAYROLL), (), frozenset(), TENANT_ID, lambda: START))


def test_what_it_holds_comes_with_the_identity() -> None:
    """It is read anyway, to see whether the identity is protected: a rule on it costs no round trip."""
    directory = Watched(payroll(), FakeClock())
    role = replace(app_role(1), role_id="9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8")
    directory.grants = Known(Grants(Known((role,)), Known(()), Known(())))

    found = look_into(directory, "dangerous-permission")

    assert found.decision.verdict is Verdict.CONTAIN
    assert directory.asked == [{PartName.IDENTITY, PartName.GRANTS}]


def test_a_passing_fault_in_what_it_holds_matters_only_to_a_policy_that_asks_for_it() -> None:
    """Else the work would be put off for something that decides nothing."""
    directory = FakeDirectory(payroll(), FakeClock())
    late = CouldNotLook("the service is busy", may_help_later=True)
    directory.grants = Known(Grants(late, Known(()), Known(())))

    asking = look_into(directory, "dangerous-permission")
    other = look_into(directory, "{all: [sign-in-blocked, dangerous-permission]}")

    assert (asking.decision.verdict, asking.passing_faults) == (Verdict.ASK, ("the service is busy",))
    assert (other.decision.verdict, other.passing_faults) == (Verdict.WATCH, ())


def test_the_journal_tells_of_every_part_that_was_read_or_failed() -> None:
    """Parts that nobody asked for are told as before; the newer ones only where somebody did."""
    directory = FakeDirectory(payroll(), FakeClock())
    directory.grants = CouldNotLook("refused")

    told = {part.name: part for part in as_entry(look_into(directory, "dangerous-permission").case).parts}

    assert (told["grants"].known, told["grants"].why_not) == (False, "refused")
    assert told["audits"].why_not == "not needed for the decision"
    assert "owners" not in told


def test_the_journal_tells_where_a_log_was_read_if_not_in_graph() -> None:
    """And why it was not read there; a reader of the report sees both."""
    directory = FakeDirectory(payroll(), FakeClock())
    log = SignInLog((), START - timedelta(days=30), source=LogSource.WORKSPACE, instead_of="there is no licence")
    directory.sign_ins = Known(log)

    entry = as_entry(look_into(directory, "new-sign-in").case)
    (told,) = (part for part in entry.parts if part.name == "sign_ins")

    assert (told.known, told.source, told.instead_of) == (True, "Log Analytics", "there is no licence")


def _told(activity: str, record: str) -> Signal:
    return Signal("directory-audit", record, IdentityRef(PAYROLL), START, "told", {"activity": activity})


def test_a_record_that_a_signal_names_is_missed_in_the_list_where_it_belongs() -> None:
    """A grant never stands among the identity's own records: that list does not lag for want of it."""
    grant = _told("add app role assignment to service principal", "Directory_9")
    made = policy("{granted-recently: {kinds: [app-role]}}")
    directory = FakeDirectory(payroll(), FakeClock())

    async def look() -> Investigation:
        return await investigate(directory, made, IdentityRef(PAYROLL), (grant,), frozenset(), TENANT_ID, lambda: START)

    found = asyncio.run(look())

    assert found.decision.verdict is Verdict.ASK
    assert found.passing_faults == ("the list does not show yet a grant that a signal names",)


def test_what_a_log_may_tell_some_minutes_later_puts_the_work_off() -> None:
    """Nobody is asked about the role of a consent of a moment ago before the log had its time."""
    consent = agreed("[] => [[Id: x, ClientId: y, ConsentType: AllPrincipals, Scope: User.Read]]")
    fresh = replace(consent, at=START - timedelta(minutes=2))
    directory = FakeDirectory(payroll(), FakeClock(), audits=(fresh,))

    found = look_into(directory, "{consent: {findings: [without-role]}}")

    assert found.decision.verdict is Verdict.ASK
    assert any("may not be in the log yet" in each for each in found.passing_faults)


def test_a_sign_in_that_a_signal_names_is_missed_in_a_log_that_lags() -> None:
    """Nobody is called usual by a log that does not hold yet what it is asked about; a refusal is in another list."""
    made = policy("{new-sign-in: {features: [network]}}")
    directory = FakeDirectory(payroll(), FakeClock())

    def told(code: int) -> Signal:
        return Signal("sign-in", "s-1", IdentityRef(PAYROLL), START, "told", {"errorCode": code})

    def look(signal: Signal) -> Investigation:
        found = investigate(directory, made, IdentityRef(PAYROLL), (signal,), frozenset(), TENANT_ID, lambda: START)
        return asyncio.run(found)

    assert "does not show yet a sign-in" in look(told(0)).passing_faults[0]
    assert look(told(7000215)).passing_faults == ()


class _Silent(FakeDirectory):
    """Gives the identity, and of whatever else is asked for, neither an answer nor a reason."""

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        found = await super().look(subject, parts)
        assert self.looks < 10, "it is asked again and again"
        return Gathered(identity=found.identity, grants=found.grants)


def test_what_comes_back_without_an_answer_is_not_asked_for_again_and_again() -> None:
    """It counts as what could not be read: a person is asked, and is told what is missing."""
    directory = _Silent(payroll(), FakeClock())

    found = look_into(directory, "{risk-state: {levels: [high]}}")

    assert found.decision.verdict is Verdict.ASK
    assert directory.looks == 1
    assert found.case.risk == CouldNotLook("it was asked for, and neither it nor a reason came back")


def test_two_parts_that_come_back_without_an_answer_are_not_asked_for_in_turns() -> None:
    """The second silence does not make the first one forgotten."""
    directory = _Silent(payroll(), FakeClock())

    found = look_into(
        directory, "{any: [{risk-state: {levels: [high]}}, {audit-activity: {activities: [Update application]}}]}"
    )

    assert found.decision.verdict is Verdict.ASK
    assert found.case.risk == found.case.audits
