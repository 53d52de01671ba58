"""Administrators' passwords: set only where the server itself names the secret, and copied where two hold it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.estate import SecretRef, SecretSeen
from shared.rotators.interface import Awaited, Minted
from shared.rotators.random_text import ALPHABETS, password, random_text
from tests.fakes import START
from tests.rotators.estate import LONG_AGO, REF, Rounds, World, begin
from tests.rotators.kinds import POSTGRES, SQL

pytestmark = pytest.mark.anyio

SERVER = SQL.lower()
FORM = "Server=tcp:shop-sql.database.windows.net,1433;User ID={};Password={};Encrypt=True"
OLD = "S3cret-of-the-keeper"


def server(world: World, consent: str = "shop/conn", resource: str = SERVER) -> None:
    world.sources.has(resource, "administrator", tags={"Cordon-Secret": consent}, login="keeper")
    world.sources.held[resource].keys["administrator"] = (OLD, LONG_AGO)


def store(world: World, value: str, **tags: str) -> SecretSeen:
    return world.vaults.store(REF, value, tags={"ProviderAddress": SQL, **tags})


async def left_to_owner(world: World, secret: SecretSeen) -> str:
    """Why nothing was set."""
    rounds = await begin(world, secret)
    assert rounds.rotator.keys == "one"
    assert isinstance(await rounds.make(), Awaited)
    assert world.writes.done == []
    return str((await rounds.before())["delegated"])


@pytest.mark.parametrize("consent", ["", "shop/conn-2", "other/conn", "conn", "*"])
async def test_a_server_that_does_not_name_the_secret_keeps_its_password(consent: str) -> None:
    """Tags on the secret alone are whoever's may write secrets."""
    world = World()
    server(world, consent)

    assert "does not name it" in await left_to_owner(world, store(world, OLD))


@pytest.mark.parametrize(
    ("value", "tags", "why"),
    [
        (FORM.format("reader", OLD), {}, "another user or server"),
        (FORM.format("keeper", OLD).replace("shop-sql.", "shop-sql2."), {}, "another user or server"),
        (FORM.format("keeper", OLD), {"CredentialId": "reader"}, "not the administrator"),
        ('{"password": "x"}', {}, "form"),
    ],
)
async def test_another_users_password_is_not_taken_for_the_administrators(
    value: str, tags: dict[str, str], why: str
) -> None:
    """User and host of the value, and the user of the tag, have to be the administrator's."""
    world = World()
    server(world)

    assert why in await left_to_owner(world, store(world, value, **tags))


@pytest.mark.parametrize("older", [FORM.format("reader", OLD), FORM.format("keeper", OLD).replace("shop-sql.", "old.")])
async def test_an_older_version_of_another_server_or_user_is_not_called_dead(older: str) -> None:
    """It was exposed as well, and the new password of this server says nothing of it."""
    world = World()
    server(world)
    first = store(world, older)
    newest = store(world, FORM.format("keeper", OLD))
    rounds = await begin(world, newest, str(newest.version), str(first.version))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert "may open something else" in proof.why


@pytest.mark.parametrize(
    ("enabled", "tags", "answer"),
    [
        (True, {}, "unknown"),
        (False, {}, "unknown"),
        (True, {"ProviderAddress": SQL}, "held"),
        (False, {"ProviderAddress": SQL}, "held"),
        (True, {"ProviderAddress": SQL, "CredentialId": "reader"}, "unknown"),
    ],
)
async def test_an_older_password_alone_is_this_servers_only_by_its_tags(
    enabled: bool, tags: dict[str, str], answer: str
) -> None:
    """A password can be anybody's: what says nothing of its server and user is not called dead by this one."""
    world = World()
    server(world)
    first = world.vaults.store(REF, "An0ther-Passw0rd", tags=tags, enabled=enabled)
    newest = store(world, FORM.format("keeper", OLD))
    rounds = await begin(world, newest, str(newest.version), str(first.version))

    assert (await rounds.whole()).answer == answer


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_password_alone_that_was_tagged_lately_may_be_anothers(enabled: bool) -> None:
    """Whoever may store secrets can write the server's name on the password of another one."""
    world = World()
    server(world)
    tags = {"ProviderAddress": SQL}
    first = world.vaults.store(REF, "An0ther-Passw0rd", tags=tags, enabled=enabled, updated=START - timedelta(days=2))
    newest = store(world, FORM.format("keeper", OLD))
    rounds = await begin(world, newest, str(newest.version), str(first.version))
    proof = await rounds.whole()

    assert proof.answer == "unknown"
    assert "so that its tags prove nothing" in proof.why


@pytest.mark.parametrize("gone", [False, True])
async def test_what_its_tags_call_anothers_or_nobody_can_see_any_more_is_not_called_dead(gone: bool) -> None:
    """The value names this server, and its tags another; or the vault does not show the version at all."""
    world = World()
    server(world)
    first = world.vaults.store(REF, FORM.format("keeper", OLD), tags={"ProviderAddress": f"{SQL}-old"})
    newest = store(world, FORM.format("keeper", OLD))
    rounds = await begin(world, newest, str(newest.version), "f" * 32 if gone else str(first.version))

    assert (await rounds.whole()).answer == "unknown"


async def test_before_the_new_password_is_in_the_vault_nothing_is_proven() -> None:
    """It was set, and nobody has it: who is locked out is no proof of who is not."""
    world = World()
    server(world)
    rounds = await begin(world, store(world, FORM.format("keeper", OLD)))
    await rounds.make()

    assert (await rounds.verify()).answer == "not-held"


@pytest.mark.parametrize("credential", ["", "user", "keeper", "KEEPER"])
async def test_a_password_alone_is_set_where_the_server_wants_it(credential: str) -> None:
    """The whole value is the password, and the new one as well."""
    world = World()
    server(world)
    rounds = await begin(world, store(world, OLD, CredentialId=credential))
    proof = await rounds.whole()

    assert proof.answer == "held"
    assert "rests on the server's answer" in proof.why
    assert world.newest()[1] == world.sources.held[SERVER].keys["administrator"][0] != OLD


async def test_user_at_server_is_the_administrator_too() -> None:
    """The older spelling of PostgreSQL on Azure."""
    world = World()
    server(world, resource=POSTGRES.lower())
    text = "postgres://keeper%40shop-pg:{}@shop-pg.postgres.database.azure.com/shop"
    secret = world.vaults.store(REF, text.format(OLD), tags={"ProviderAddress": POSTGRES})
    rounds = await begin(world, secret)

    assert (await rounds.whole()).answer == "held"
    assert world.newest()[1] == text.format(world.sources.held[POSTGRES.lower()].keys["administrator"][0])


async def test_a_second_secret_with_the_same_password_gets_the_one_that_was_set() -> None:
    """Setting another one would lock the first secret's consumers out."""
    world = World()
    server(world, "shop/conn shop/conn-2")
    other = SecretRef("shop", "conn-2")
    first = await begin(world, store(world, OLD))
    second_secret = world.vaults.store(other, FORM.format("keeper", OLD), tags={"ProviderAddress": SQL})
    second = await begin(world, second_secret)
    await second.before()
    await make_and_publish(first)
    beside_at = (REF, str(first.journal.get("version")))
    second.job = replace(second.job, beside=first.journal.get("made"), beside_at=beside_at)
    await make_and_publish(second)

    new = world.sources.held[SERVER].keys["administrator"][0]
    assert world.newest()[1] == new
    assert world.newest(other)[1] == FORM.format("keeper", new)
    assert world.writes.done == ["set password", "publish", "publish"]


async def make_and_publish(rounds: Rounds) -> None:
    minted = await rounds.make()
    assert isinstance(minted, Minted)
    await rounds.publish(minted)


async def test_the_old_value_put_back_is_no_rotation() -> None:
    """What is proven is what the vault holds now."""
    world = World()
    server(world)
    rounds = await begin(world, store(world, OLD))
    await rounds.whole()
    world.clock.forward(minutes=1)
    world.vaults.store(REF, OLD, created=world.clock())

    assert (await rounds.verify()).answer == "not-held"


def test_passwords_have_every_class_and_need_no_quoting() -> None:
    """Servers want three of four classes; connection strings and URLs take these characters as they are."""
    world = World()
    made = {password(world.means.token) for _ in range(50)}

    assert len(made) == 50
    for each in made:
        assert len(each) == 44
        assert set(each) <= set(ALPHABETS["base64url"])
        assert any(map(str.islower, each))
        assert any(map(str.isupper, each))
        assert any(map(str.isdigit, each))


def test_random_text_favours_no_character() -> None:
    """Bytes beyond a multiple of the alphabet are thrown away: the remainder would favour its first characters."""
    drawn = iter([bytes([255, 254, 253, 252, 251, 250, 249, 248]), bytes(range(8))])

    assert random_text(4, ALPHABETS["alphanumeric"], lambda _: next(drawn)) == "ABCD"
