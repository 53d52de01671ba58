"""
Everything that can go wrong, sorted by who must act.

    CordonError
    ├── OperatorMustAct        the people who run Cordon
    │   ├── SettingsWrong        settings missing or contradictory, all of them at once
    │   ├── PolicyWrong          the policy file: file, line, remedy
    │   ├── PermissionMissing    the tenant refuses one of our identities
    │   ├── LicenceMissing       the tenant is not licensed for what was asked
    │   ├── UnavailableInCloud   this national cloud has no such service
    │   ├── NotCollected         a log that is sent to no place where Cordon could read it
    │   └── JournalDamaged       a record's hash does not follow from the one before it
    ├── CallerMustAct          whoever called our HTTP interface
    │   ├── RequestRefused       what was asked for is not acceptable
    │   ├── RequestConflicts     acceptable, but not as things stand now
    │   └── NotFound             there is no such incident, identity or plan
    ├── SenderMustAct          whoever sent us a record
    │   └── MalformedSignal      not readable as what it claims to be
    ├── TimeMayHelp            nobody yet: try again later, within bounds
    │   ├── Throttled            a quota is used up
    │   ├── Unreachable          no answer, and nothing was changed
    │   ├── OutcomeUnknown       no answer to a write: it may or may not have happened
    │   └── IncompleteAnswer     a list that stops before its end is not a list
    ├── PartLost               a stretch of a log that no later try will tell of; the rest was given
    ├── PlatformRefused        the object cannot be changed in this way: a named outcome
    │   ├── InstanceLocked       the application's instance lock protects the property
    │   ├── CannotBeRead         what a change starts from is refused to us, so nothing is changed
    │   ├── Deleted              it is among the deleted items, where nothing of it can be changed
    │   └── Gone                 the object is not there (any more)
    ├── RivalActs              another instance is at work on the same incident
    │   └── SequenceTaken        the journal already holds a record at this place
    ├── StoppedBySwitch        a person set the stop switch between two effects of one step
    ├── OutOfTurn              a secret of a higher tier can go on, so that this one waits
    └── SeveralFailed          several things went wrong at once: those first that somebody must mend

Messages say what was not done, what state things are in, and what to do next. They never hold a
secret, and tenant text in them is escaped by whoever prints it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta


class CordonError(Exception):
    """The base of all errors that Cordon raises on purpose."""


class OperatorMustAct(CordonError):
    """No retry can help: the people who run Cordon must change something."""


class SettingsWrong(OperatorMustAct):
    """Settings are missing or contradict each other; `problems` holds one sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"Cordon did not start. Its settings need mending:{lines}")
        self.problems = problems


class PolicyWrong(OperatorMustAct):
    """The policy file cannot be used; `problems` holds one "file:line: what, remedy" for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"The policy was not loaded, and nothing is decided by it:{lines}")
        self.problems = problems


class ContactsWrong(OperatorMustAct):
    """The file of contacts cannot be used; `problems` as of PolicyWrong."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"Cordon did not start. Mend the contacts, or leave CORDON_CONTACTS empty:{lines}")
        self.problems = problems


class PermissionMissing(OperatorMustAct):
    """The tenant refused one of our identities. Never retried as if it were transient."""

    def __init__(self, *, doing: str, needs: str, request_id: str | None = None) -> None:
        quote = f" For Microsoft support: request {request_id}." if request_id else ""
        super().__init__(
            f"Not done: {doing}. The tenant refused, because this identity lacks {needs}. "
            f"This call changed nothing. To go on: have an administrator grant {needs}, "
            f"then work the incident again.{quote}"
        )
        self.doing, self.needs, self.request_id = doing, needs, request_id


class LicenceMissing(OperatorMustAct):
    """The tenant lacks the licence for this call."""

    def __init__(self, *, doing: str, needs: str) -> None:
        super().__init__(f"Not done: {doing}. The tenant has no {needs} licence.")
        self.doing, self.needs = doing, needs


class UnavailableInCloud(OperatorMustAct):
    """The cloud named in the settings does not offer the service."""

    def __init__(self, *, doing: str, cloud: str) -> None:
        super().__init__(f"Not done: {doing}. The {cloud} cloud does not offer this.")
        self.doing, self.cloud = doing, cloud


class NotCollected(OperatorMustAct):
    """A log that Graph does not give, and that no workspace takes in: there is nothing to read, now or later."""

    def __init__(self, doing: str, why: str) -> None:
        super().__init__(f"Not done: {doing}. {why}")
        self.why = why


class JournalDamaged(OperatorMustAct):
    """The chain of hashes is broken. Effects stop; what is there is kept for people to look at."""


class CallerMustAct(CordonError):
    """The caller of our HTTP interface asked for something that cannot be."""


class RequestRefused(CallerMustAct):
    """What was asked for is not acceptable; the text says why."""


class RequestConflicts(CallerMustAct):
    """
    What was asked for does not fit what is there now: the plan is no longer the one that was seen, or the
    request id was used for something else. Look again, then ask again.
    """


class NotFound(CallerMustAct):
    """There is no such incident, identity or plan."""


class SenderMustAct(CordonError):
    """A record from outside cannot be used."""


class MalformedSignal(SenderMustAct):
    """A record is not what its sender says it is. It is set aside; others proceed."""

    def __init__(self, *, source: str, why: str) -> None:
        super().__init__(f"A record from {source} was set aside: {why}.")
        self.source, self.why = source, why


class TimeMayHelp(CordonError):
    """A later attempt may succeed. Attempts and waiting are bounded by the caller."""


class Throttled(TimeMayHelp):
    """A quota is used up; `retry_after` is what the service asked for, if it said."""

    def __init__(self, doing: str, retry_after: timedelta | None = None) -> None:
        said = f" It asks to wait {retry_after.total_seconds():.0f} s." if retry_after else ""
        super().__init__(f"Not done: {doing}. The service is throttling.{said}")
        self.doing, self.retry_after = doing, retry_after


class Unreachable(TimeMayHelp):
    """The service did not answer, or answered with an error of its own, to a call that changes nothing."""

    def __init__(self, doing: str, why: str) -> None:
        super().__init__(f"Not done: {doing}. The service could not be reached ({why}).")
        self.doing, self.why = doing, why


class OutcomeUnknown(TimeMayHelp):
    """A write was sent and its answer was lost. Only a read tells whether it happened."""

    def __init__(self, doing: str, why: str) -> None:
        super().__init__(f"Outcome unknown: {doing}. The answer was lost ({why}); a read must tell.")
        self.doing, self.why = doing, why


class IncompleteAnswer(TimeMayHelp):
    """A paged list broke off, looped, or pointed to another host. It is never taken as complete."""


class PartLost(CordonError):
    """Stretches of a log (since, until) that no later try will tell of; everything else was given before."""

    def __init__(self, doing: str, stretches: tuple[tuple[datetime, datetime], ...], why: str) -> None:
        begin, end = stretches[0][0], stretches[-1][1]
        told = f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        super().__init__(f"Not done: {doing} of all of {told}: {why}. Look at that time by hand.")
        self.stretches, self.why = stretches, why


class PlatformRefused(CordonError):
    """The platform does not allow this change to this object; retrying the same call is useless."""

    def __init__(self, *, doing: str, code: str, why: str) -> None:
        super().__init__(f"Not done: {doing}. The platform refused with {code}: {why}")
        self.doing, self.code, self.why = doing, code, why


class InstanceLocked(PlatformRefused):
    """The application's instance lock protects the property (400 CannotUpdateLockedServicePrincipalProperty)."""


class CannotBeRead(PlatformRefused):
    """What is there could not be read, and later tries will not help: there is no pre-image, so no write."""

    def __init__(self, doing: str, why: str) -> None:
        super().__init__(doing=doing, code="cannot-be-read", why=why)


class Deleted(PlatformRefused):
    """The identity is among the deleted items: nothing of it can be changed before it is restored."""

    def __init__(self, doing: str, at: datetime | None) -> None:
        when = f" on {at:%Y-%m-%d %H:%M} UTC" if at else ""
        why = f"the identity was deleted{when}, and nothing of it can be changed before it is restored."
        super().__init__(doing=doing, code="soft-deleted", why=why)


class Gone(PlatformRefused):
    """The object is not there: never made, not yet replicated, or deleted."""

    def __init__(self, doing: str) -> None:
        super().__init__(doing=doing, code="404", why="the object was not found.")


class RivalActs(CordonError):
    """Another instance works on the same incident; this one stops before its next effect."""


class SequenceTaken(RivalActs):
    """The journal already holds a record at this place: somebody else appended first."""

    def __init__(self, incident: str, sequence: int) -> None:
        super().__init__(f"Incident {incident} already has a record {sequence}; this instance stops.")
        self.incident, self.sequence = incident, sequence


class StoppedBySwitch(CordonError):
    """The stop switch was set between two effects of one step: the rest of it is not carried out."""


class OutOfTurn(CordonError):
    """A secret of a higher tier can go on now: this effect was not carried out, and its turn comes again."""


class SeveralFailed(CordonError):
    """Several things went wrong beside each other; `errors` begins with those that no retry mends."""

    def __init__(self, errors: tuple[CordonError, ...]) -> None:
        self.errors = tuple(sorted(errors, key=_whose_turn))
        super().__init__(" ".join(str(each) for each in self.errors))


def _whose_turn(error: CordonError) -> int:
    return 0 if isinstance(error, OperatorMustAct) else 2 if isinstance(error, TimeMayHelp) else 1


def raise_all(errors: Sequence[CordonError]) -> None:
    """Nothing if there is none, the one that there is, or all of them in one; the same said twice is one."""
    different = tuple({str(each): each for each in reversed(errors)}.values())
    if len(different) == 1:
        raise different[0]
    if different:
        raise SeveralFailed(different[::-1])
