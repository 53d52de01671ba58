"""A new client secret: made once, told once, and found by its name when the answer was lost."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from drill.practice import Behaviour
from shared.case import Holder, HolderKind
from shared.errors import InstanceLocked, OutcomeUnknown, PermissionMissing, RivalActs
from shared.fence import fenced
from shared.tenant import NewPassword, RemovePassword, WriteDone
from tests.clients.fake_graph import APPLICATION as HELD_BY
from tests.clients.fake_graph import Answering, Asked, FakeGraph, error, in_turn, ok, play
from tests.clients.test_practice_tenant import Place, at, fault
from tests.practice.desk import APPLICATION, PRINCIPAL, payroll

EXPIRES = datetime(2026, 9, 1, tzinfo=UTC)
NAME = "cordon-0123456789abcdef"
KEY_ID = "0d0d0d0d-0000-4000-8000-000000000001"
MADE = {"keyId": KEY_ID, "secretText": "abc8Q~canary", "endDateTime": "2026-09-01T00:00:00Z"}


def made_by(answer: Answering) -> tuple[NewPassword, list[Asked]]:
    graph = FakeGraph(answer)

    async def story() -> NewPassword:
        return await graph.directory().add_password(HolderKind.APPLICATION, HELD_BY, NAME, EXPIRES)

    return play(story), graph.asked


async def add(place: Place, holder: HolderKind = HolderKind.APPLICATION, object_id: str = APPLICATION) -> NewPassword:
    return await place.tenant.directory.add_password(holder, object_id, NAME, EXPIRES)


def ours(place: Place) -> list[dict[str, Any]]:
    """What the application really holds under our name."""
    held = place.truth("applications", APPLICATION)["passwordCredentials"]
    return [each for each in held if each["displayName"] == NAME]


def test_a_new_secret_is_named_and_expires_as_asked() -> None:
    """Its value is told once, and shows itself to nobody."""
    made, asked = made_by(in_turn(ok(MADE)))

    assert (made.key_id, made.expires, made.value.reveal()) == (KEY_ID, EXPIRES, "abc8Q~canary")
    assert asked[0].path == f"/applications/{HELD_BY}/addPassword"
    assert asked[0].body == {"passwordCredential": {"displayName": NAME, "endDateTime": "2026-09-01T00:00:00Z"}}
    assert "canary" not in repr(made)


@pytest.mark.parametrize(
    "answer",
    [
        error(503, "ServiceUnavailable"),
        error(429, "TooManyRequests"),
        httpx.ReadTimeout("late"),
        ok({}),
        ok({**MADE, "secretText": None}),
        httpx.Response(200, content=b'{"keyId": "0d0d'),
    ],
)
def test_what_may_have_been_made_is_not_asked_for_again(answer: httpx.Response | Exception) -> None:
    """A second request would leave a secret behind that nobody knows of."""
    graph = FakeGraph(in_turn(answer, ok(MADE)))

    async def story() -> None:
        with pytest.raises(OutcomeUnknown):
            await graph.directory().add_password(HolderKind.APPLICATION, HELD_BY, NAME, EXPIRES)

    play(story)

    assert len(graph.asked) == 1


def test_what_was_surely_not_made_is_asked_for_again() -> None:
    """No connection: nothing was changed."""
    made, asked = made_by(in_turn(httpx.ConnectError("refused"), ok(MADE)))

    assert made.key_id == KEY_ID
    assert len(asked) == 2


def test_an_id_that_is_none_is_not_sent() -> None:
    """The tenant's text never becomes a path."""
    graph = FakeGraph(in_turn(ok(MADE)))

    async def story() -> None:
        with pytest.raises(ValueError, match="GUID"):
            await graph.directory().add_password(HolderKind.APPLICATION, "../users/x", NAME, EXPIRES)

    play(story)

    assert graph.asked == []


@pytest.mark.parametrize("kind", ["timeout-applied", "reset-applied", "503-applied", "cut-body"])
def test_on_the_practice_tenant_a_lost_secret_is_found_by_its_name_and_removed(kind: str) -> None:
    """One secret is there and of no use; the next one is the only one."""

    async def story(place: Place) -> None:
        with pytest.raises(OutcomeUnknown):
            await add(place)
        (lost,) = ours(place)
        removal = RemovePassword(HolderKind.APPLICATION, APPLICATION, lost["keyId"])
        assert await place.tenant.directory.write_credentials([removal]) == [WriteDone()]
        made = await add(place)

        assert [each["keyId"] for each in ours(place)] == [made.key_id]

    at(story, faults=[fault("POST /applications/*/addPassword", kind)], behaviour=Behaviour.gentle())


def test_an_instance_lock_is_told_by_its_name() -> None:
    """The lock of the application protects the secrets of its service principal."""
    lock = {"isEnabled": True, "allProperties": True}
    given = payroll(application={"servicePrincipalLockConfiguration": lock})

    async def story(place: Place) -> None:
        with pytest.raises(InstanceLocked):
            await add(place, HolderKind.SERVICE_PRINCIPAL, PRINCIPAL)

    at(story, given, behaviour=Behaviour.gentle())


def test_a_missing_permission_is_told_by_its_name() -> None:
    """No retry can help, and the text says what to grant."""
    graph = FakeGraph(in_turn(error(403, "Authorization_RequestDenied")))

    async def story() -> None:
        with pytest.raises(PermissionMissing, match=r"Application\.ReadWrite\.All"):
            await graph.directory().add_password(HolderKind.APPLICATION, HELD_BY, NAME, EXPIRES)

    play(story)


def test_a_rival_is_noticed_before_a_secret_is_made_and_before_anybody_is_asked() -> None:
    """The fence stands before this write too, and before an event on which owners act."""

    async def story(place: Place) -> None:
        async def rival() -> None:
            raise RivalActs

        class Topic:
            async def publish(self, type: str, subject: str, id: str, data: object) -> None:
                raise AssertionError(type)

        tenant = fenced(replace(place.tenant, publisher=Topic()), rival)
        assert tenant.publisher is not None
        with pytest.raises(RivalActs):
            await tenant.directory.add_password(HolderKind.APPLICATION, APPLICATION, NAME, EXPIRES)
        with pytest.raises(RivalActs):
            await tenant.publisher.publish("Cordon.Secret.RotationRequested", "x", "1", {})
        assert ours(place) == []

    at(story, behaviour=Behaviour.gentle())


def test_holders_show_the_new_secret_by_its_name() -> None:
    """What a look tells after a crash: by name, without a value."""

    async def story(place: Place) -> None:
        made = await add(place)
        state = await place.state()
        assert isinstance(state.application, Holder)
        named = {each.key_id: each.display_name for each in state.application.passwords}
        assert named[made.key_id] == NAME

    at(story, behaviour=Behaviour.gentle())
