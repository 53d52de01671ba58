"""Whom to call: by the operator's list and by the directory, in the report and over HTTP's words."""

from dataclasses import dataclass, replace

from shared.case import CouldNotLook, Known, Owner, Owners
from shared.contacts import Contacts, read_contacts
from shared.entries import Investigated
from shared.inventory import Consents, Listing, Owned, Reachable
from shared.report import as_markdown, make_report
from shared.responder import Responder
from tests.fakes import PAYROLL_CLIENT, password, payroll
from tests.stories.world import POLICY, World, play

LISTED = read_contacts(
    f"""
version: 1
contacts:
  - {{team: Payroll platform, reach: on-call desk 7, applications: [{PAYROLL_CLIENT}]}}
  - {{team: Whoever tags, reach: channel finance, tags: [finance]}}
""",
    "contacts.yaml",
)
WITH_OWNERS = POLICY.replace(
    "rules:\n", "rules:\n  - {name: orphan, when: {owners: {findings: [orphan]}}, verdict: watch}\n"
)


@dataclass
class Reads:
    """A tenant at large that tells of one application."""

    found: Reachable

    async def owned(self, listing: Listing, limit: int, after: str | None) -> Owned:
        raise NotImplementedError

    async def consents(self, limit: int, after: str | None) -> Consents:
        raise NotImplementedError

    async def reach(self, principal: str) -> Reachable:
        return self.found


async def heard(world: World, contacts: Contacts) -> Responder:
    responder = Responder(replace(world.desk(), contacts=contacts))
    await world.hear_of_leak(responder)
    return responder


async def told(world: World) -> str:
    return as_markdown(make_report((await world.chain()).records, world.clock()))


def test_the_report_names_who_answers_for_it_by_the_list() -> None:
    """As it was when the decision was made; what was not read for it says how to read it now."""

    async def story(world: World) -> None:
        await heard(world, LISTED)
        report = await told(world)

        assert "- Payroll platform: on\\-call desk 7" in report or "- Payroll platform: on-call desk 7" in report
        assert "Whoever tags" not in report
        assert "Owners were not read for the decision" in report

    play(story, payroll(application=[password(1)]))


def test_without_a_list_the_report_says_that_it_names_nobody() -> None:
    """Silence would read as if nobody had to be called."""

    async def story(world: World) -> None:
        await heard(world, Contacts())

        assert "(CORDON_CONTACTS) names nobody" in await told(world)

    play(story, payroll(application=[password(1)]))


def test_owners_that_could_not_be_read_are_not_told_as_none() -> None:
    """One object's list is known, the other's is not: both are said."""

    async def story(world: World) -> None:
        owner = Owner("88888888-0000-4000-8000-000000000001", "user", "Mx [Owner](x)")
        unread = CouldNotLook("the owners of the service principal could not be read")
        world.directory.owners = Known(Owners(Known((owner,)), unread))
        await heard(world, LISTED)
        seen = (await world.chain()).last(Investigated)
        report = await told(world)

        assert seen is not None
        assert seen.owners is not None
        assert [each.id for each in seen.owners] == [owner.id]
        assert "Owners could not be read: the owners of the service principal" in report
        assert "It has no owner" not in report

    play(story, payroll(application=[password(1)]), policy=WITH_OWNERS)


def test_asked_over_http_the_list_is_held_against_what_is_there_now() -> None:
    """Tags of the service principal count; nothing is stored."""

    async def story(world: World) -> None:
        responder = await heard(world, LISTED)
        found = Reachable("payroll-sync", PAYROLL_CLIENT, None, (), tags=("Finance",))
        tenant = replace(world.desk().tenant, inventory=Reads(found))
        responder = Responder(replace(world.desk(), contacts=LISTED, tenant=tenant))
        view = await responder.contacts((await world.chain()).incident)

        assert [(each.team, each.because) for each in view.teams] == [
            ("Payroll platform", f"client id {PAYROLL_CLIENT}"),
            ("Whoever tags", "tag Finance"),
        ]

    play(story, payroll(application=[password(1)]))
