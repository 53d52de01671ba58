"""What could not be stored is not made: a password that nobody has locks everybody out."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.entries import RotationEnded, SecretStopped, UndoOrdered
from shared.errors import PermissionMissing
from shared.estate import SecretRef, SecretSeen, SecretValue
from shared.report import as_markdown
from tests.fakes import PAYROLL_CLIENT, START, Crash, password, payroll, value_of
from tests.rotation.test_told import told
from tests.rotation.world import RotationWorld, play, policy
from tests.rotators.estate import GROUP

CONN = SecretRef("shop", "conn")
SERVER = f"{GROUP}/Microsoft.Sql/servers/shop-sql"
PASSWORD = "S3cret-of-the-keeper"
ALL = policy(ask="[]", single_credential="break")


def sql_secret(world: RotationWorld) -> SecretSeen:
    server = world.sources.has(SERVER, "administrator", tags={"cordon-secret": "shop/conn"}, login="keeper")
    server.keys["administrator"] = (PASSWORD, START)
    return world.secret(CONN, PASSWORD, read=True, tags={"ProviderAddress": SERVER})


def storage_secret(world: RotationWorld) -> SecretSeen:
    return world.storage_secret(CONN, "acct01", read=True)


def client_secret(world: RotationWorld) -> SecretSeen:
    state = payroll(application=[password(1)])
    assert state.application is not None
    tagged = replace(state.application, tags=("cordon-secret:shop/conn",))
    world.directory.state = replace(state, application=tagged)
    tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": password(1).key_id}
    return world.secret(CONN, value_of(password(1)), read=True, tags=tags)


KINDS = {"sql": sql_secret, "storage": storage_secret, "entra": client_secret}


def changed(world: RotationWorld, kind: str, **how: Any) -> None:
    seen = KINDS[kind](world)
    world.vaults.held[CONN][-1] = (replace(seen, **how), world.vaults.held[CONN][-1][1])


async def rotated(world: RotationWorld) -> RotationEnded | None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)
    return (await world.secrets_chain()).last(RotationEnded)


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_that_is_full_of_tags_keeps_its_credential_and_is_a_persons(kind: str) -> None:
    """Its next version would have sixteen: that is told before its source is touched, and not after."""

    async def story(world: RotationWorld) -> None:
        tags = KINDS[kind](world).tags
        changed(world, kind, tags={**{f"t{n}": "x" for n in range(15 - len(tags))}, **tags})
        await rotated(world)
        stopped = (await world.secrets_chain()).last(SecretStopped)
        writes = [each for each in (*world.writes.done, *world.directory.effects) if "accountEnabled" not in each]

        assert writes == []
        assert stopped is not None
        assert stopped.stage == "made"
        assert "15 are the most. Remove some" in stopped.reason

    play(story, text=ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_to_live_for_ever_is_rotated_as_any_other(kind: str) -> None:
    """An expiry at the last moment that there is has no later one: the new version gets the same."""
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    async def story(world: RotationWorld) -> None:
        changed(world, kind, expires=last)
        ended = await rotated(world)

        assert ended is not None
        assert ended.counts == {"rotated": 1}
        assert world.made(CONN)[-1].expires == last

    play(story, text=ALL)


def test_where_a_new_password_cannot_be_stored_the_report_says_that_all_are_locked_out() -> None:
    """The vault takes no version of ours any more. The exposed password opens nothing, and nobody has the new one."""

    async def story(world: RotationWorld) -> None:
        sql_secret(world)

        def refuse(name: str) -> None:
            if name == "publish":
                raise PermissionMissing(doing="storing a new version", needs="Key Vault Secrets Officer")

        world.writes.before = refuse
        ended = await rotated(world)
        _, report = await told(world, world.instance())
        text = as_markdown(report)

        assert not world.is_alive(PASSWORD)
        assert ended is not None
        assert not ended.whole
        assert "Still open: its source took a new password that is in no vault; with a person" in text
        assert "whoever uses it is locked out" in text
        assert "the exposed value opens" not in text

    play(story, text=ALL)


def test_what_died_with_another_secret_of_its_source_is_not_said_to_open_it() -> None:
    """One vault takes no version of ours: its consumers hold a key that was made new for the other's sake."""
    closed = SecretRef("closed", "copy")

    async def story(world: RotationWorld) -> None:
        world.storage_secret(closed, "acct01", read=True)
        world.storage_secret(CONN, "acct01", read=True)
        publish = world.vaults.publish

        async def refuse(like: SecretSeen, value: SecretValue, **more: Any) -> str:
            if like.ref == closed:
                raise PermissionMissing(doing="storing a new version", needs="Key Vault Secrets Officer")
            return await publish(like, value, **more)

        world.vaults.publish = refuse  # pyright: ignore[reportAttributeAccessIssue]
        await rotated(world)
        _, report = await told(world, world.instance())
        assert report.secrets is not None
        stopped = next(each for each in report.secrets.secrets if each.state == "stopped")

        assert stopped.secret == "closed/copy"
        assert not world.is_alive(world.vaults.held[closed][-1][1])
        assert stopped.open is not None
        assert stopped.open.startswith("the exposed credential died with that of shop/conn, and whoever reads this")

    play(story, text=ALL)


def test_a_password_that_may_have_been_set_when_it_was_called_off_is_told_as_that() -> None:
    """Whoever set it was killed before he could write it down, and a person took the containment back meanwhile."""

    async def story(world: RotationWorld) -> None:
        sql_secret(world)

        def die(name: str) -> None:
            if name == "set password":
                raise Crash

        world.writes.after = die
        responder = world.instance()
        await world.hear_of_leak(responder)
        with suppress(Crash):
            await world.work_queue(responder)
        incident = (await world.chain()).incident
        await responder.undo(incident, UndoOrdered(by="ana", reason="a drill of ours"))
        await world.work_queue(world.instance("two"))
        _, report = await told(world, responder)

        assert not world.is_alive(PASSWORD)
        assert report.secrets is not None
        assert [each.state for each in report.secrets.secrets] == ["left"]
        assert str(report.secrets.secrets[0].open).startswith("its source may have taken a new password that is in no")

    play(story, text=ALL)
