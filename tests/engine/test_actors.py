"""Who changed an identity is looked at within bounds: those who could have taken it first, and the rest is named."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.actors import MOST_ACTORS, MOST_JOURNALED, actors_in
from shared.case import AuditActor, AuditRecord, Case, IncidentStanding, Known, PartName, Suspicion
from shared.conditions.changed_by_suspect import ChangedBySuspect
from shared.conditions.interface import Met, NotMet, Unknown
from shared.identity import IdentityRef
from shared.look import Look
from shared.tenant import Gathered
from tests.conditions.cases import STRANGER, added, audit, case
from tests.fakes import PAYROLL, START, FakeDirectory, payroll

pytestmark = pytest.mark.anyio
CLIENT = "77777777-0000-4000-8000-0000000000c1"
LOGS = frozenset({PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS})
OF_ACTORS = frozenset({PartName.SUSPECTS, PartName.ACTOR_RISK})
ASKED = ChangedBySuspect(who=("identity",))
MINUTE = timedelta(minutes=1)


@dataclass
class Journal:
    """Accuses one workload, by the id that it is told."""

    accused: str
    asked: list[str] = field(default_factory=list[str])

    async def of(self, actor: str) -> tuple[IncidentStanding, ...]:
        self.asked.append(actor)
        return (IncidentStanding("i", "i", Suspicion.CONTAINED),) if actor == self.accused else ()


async def looked(records: list[AuditRecord], journal: Journal, odd_record: str | None = None) -> Case:
    directory = FakeDirectory(payroll(), lambda: START, audits=tuple(records), odd_record=odd_record)
    look = Look(directory, IdentityRef(PAYROLL), lambda: START, suspicions=journal)
    logs = await look.gather(LOGS)
    found = await look.gather(OF_ACTORS)
    return replace(case(), audits=logs.audits, suspects=found.suspects, actor_risk=found.actor_risk)


def decoy(number: int) -> str:
    return f"66666666-0000-4000-8000-{number:012d}"


def harmless(count: int) -> list[AuditRecord]:
    """Somebody new for each changes nothing that matters, later than whatever the stories tell of."""
    return [
        audit("Update service principal", by=decoy(n), ago=n * timedelta(seconds=1), record=f"Decoy_{n}")
        for n in range(count)
    ]


async def test_throwaway_actors_do_not_push_out_who_planted_a_credential() -> None:
    """He acted first, and they touched it after him: what he did weighs more than that it was long ago."""
    found = await looked([added(by=STRANGER), *harmless(3 * MOST_JOURNALED)], Journal(STRANGER))

    assert isinstance(ASKED.check(found), Met)


@pytest.mark.parametrize(
    "activity",
    [
        "Add service principal credentials",
        "Update application - Certificates and secrets management",
        "Add owner to service principal",
        "Add member to role",
        "Consent to application",
        "Add app role assignment to service principal",
    ],
)
async def test_whoever_gave_it_something_comes_first(activity: str) -> None:
    """Credentials, owners, roles and consents; whoever took something away comes last."""
    giver = audit(activity, by=STRANGER, ago=60 * MINUTE)
    taker = audit("Remove owner from service principal", by=decoy(99), ago=timedelta(), record="Directory_2")
    gathered = Gathered(audits=Known((giver, taker, *harmless(3))))

    assert [actors_in(gathered)[place].id for place in (0, -1)] == [STRANGER, decoy(99)]


async def test_whom_nobody_looked_at_is_no_clean_actor_and_is_named() -> None:
    """More planted credentials than are looked at: it is not known, and it is told of whom."""
    planted = [added(by=decoy(n), ago=n * MINUTE) for n in range(MOST_JOURNALED + 2)]
    planted = [replace(each, id=f"Directory_{n}") for n, each in enumerate(planted)]
    found = ASKED.check(await looked(planted, Journal(STRANGER)))

    assert isinstance(found, Unknown)
    assert all(decoy(MOST_JOURNALED + n) in found.reason for n in (0, 1))


async def test_an_actor_whom_the_log_names_by_two_ids_is_one() -> None:
    """By its object id beside the client id here, by the client id alone there: asked about once, and accused alike."""
    both, alone = added(by=STRANGER, ago=60 * MINUTE), audit("Add owner to service principal", by=None, record="D2")
    both = replace(both, actor=AuditActor(principal_id=STRANGER, client_id=CLIENT), result="timeout")
    alone = replace(alone, actor=AuditActor(client_id=CLIENT))
    journal = Journal(STRANGER)
    found = await looked([both, alone], journal)

    assert journal.asked == [STRANGER]
    assert isinstance(ASKED.check(found), Met)
    assert isinstance(ASKED.check(await looked([both, alone], Journal(decoy(1)))), NotMet | Unknown)


async def test_eight_of_the_risks_are_asked_of_entra_and_more_of_the_journal() -> None:
    """A question to Entra costs of its quota, one to the store does not."""
    found = await looked(harmless(MOST_ACTORS + 2), Journal(STRANGER))

    assert isinstance(found.suspects, Known)
    assert isinstance(found.actor_risk, Known)
    assert [isinstance(each, Known) for each in found.suspects.value.incidents.values()] == [True] * (MOST_ACTORS + 2)
    assert [isinstance(each, Known) for each in found.actor_risk.value.listed.values()].count(True) == MOST_ACTORS


async def test_one_odd_record_hides_no_actor_of_the_others_and_excuses_none() -> None:
    """Who planted a credential is asked about by the record that could be read; what is in the odd one nobody knows."""
    odd = "1 of its 2 audit records could not be read"
    found = ASKED.check(await looked([added(by=STRANGER)], Journal(STRANGER), odd))
    clean = ASKED.check(await looked([added(by=STRANGER)], Journal(decoy(1)), odd))

    assert isinstance(found, Met)
    assert isinstance(clean, Unknown)
    assert odd in clean.reason


async def test_of_a_log_of_which_nothing_could_be_read_nobody_is_asked_about() -> None:
    """There is nobody to ask about, and nothing is clean by it."""
    journal = Journal(STRANGER)
    found = await looked([], journal, "1 of its 1 audit records could not be read")

    assert journal.asked == []
    assert isinstance(ASKED.check(found), Unknown)
