"""What a workload asked of Graph, read from Log Analytics: shapes of addresses, tokens, and no ids of anybody else."""

from typing import Any

from drill.practice import Behaviour, Credential, CredentialKind
from shared.case import CouldNotLook, GraphActivity, Known, Part, PartName
from tests.clients.fake_graph import START
from tests.clients.test_identity_logs import DAY, EXPORTED, LICENSED, TWO
from tests.clients.test_practice_tenant import REF, Place, at
from tests.practice.desk import PRINCIPAL, SECRET, Desk

ACTIVITY = frozenset({PartName.GRAPH_ACTIVITY, PartName.SIGN_INS})
USER = "0c0c0c0c-7777-4000-8000-00000000cccc"


def called(path: str, days: float, by: str = "T-1==", **more: Any) -> dict[str, Any]:
    return {
        "TimeGenerated": (START - days * DAY).isoformat(),
        "ServicePrincipalId": PRINCIPAL,
        "RequestUri": f"https://graph.microsoft.com{path}",
        "SignInActivityId": by,
        **more,
    }


HELD = [
    called(f"/v1.0/users/{USER}/messages?$top=5", 1),
    called("/v1.0/users/somebody@contoso.example/messages", 0.5, "T-2"),
    called("/beta/servicePrincipals(appId='x')/owners/delta()", 2),
    called("/v1.0/users", 40, RequestMethod="POST"),
    called("/v1.0/domains", 1, ServicePrincipalId=USER),
    called("/v1.0/me", 1, ServicePrincipalId="", UserId=USER),
]


def activity(azure: dict[str, Any] = EXPORTED, **more: Any) -> Part[GraphActivity]:
    async def story(place: Place) -> Part[GraphActivity]:
        return (await place.tenant.directory.look(REF, ACTIVITY)).graph_activity

    more = {"workspaces": None, "behaviour": Behaviour.gentle(), "logs": {"graphActivity": HELD}, **more}
    return at(story, LICENSED, azure=azure, **more)


def known(part: Part[GraphActivity]) -> GraphActivity:
    assert isinstance(part, Known), part
    return part.value


def why(part: Part[GraphActivity]) -> str:
    assert isinstance(part, CouldNotLook), part
    return part.why


def test_calls_are_told_by_their_shape() -> None:
    """Version, query and ids are gone; what others did, and what was done in a user's name, is not told."""
    found = known(activity())

    assert {(each.method, each.path): each.count for each in found.calls} == {
        ("GET", "/users/*/messages"): 2,
        ("POST", "/users"): 1,
        ("GET", "/serviceprincipals/*/owners/delta/*"): 1,
    }
    assert found.since == START - 40 * DAY


def test_tokens_are_told_by_what_the_sign_in_log_calls_them() -> None:
    """Without padding; of the last days alone."""
    found = known(activity())

    assert sorted((each.id, each.last) for each in found.tokens) == [("T-1", START - DAY), ("T-2", START - DAY / 2)]


def test_calls_whose_token_is_not_named_leave_the_tokens_unknown() -> None:
    """Of a call without a token's name nobody can say that somebody signed in for it."""
    unnamed = activity(logs={"graphActivity": [*HELD, called("/v1.0/users", 1, "")]})

    assert known(activity()).all_tokens
    assert not known(unnamed).all_tokens


def test_one_workspace_that_is_written_to_is_enough() -> None:
    """The other is empty."""
    assert len(known(activity(TWO)).calls) == 3


def test_where_nobody_sends_the_log_nothing_is_known() -> None:
    """No setting, no right, half a result, no workspace: each with its reason."""
    partial = activity(behaviour=Behaviour.gentle(partial_logs=True))

    assert "MicrosoftGraphActivityLogs" in why(activity({}))
    assert "Log Analytics Reader" in why(activity({**EXPORTED, "permissions": {"reader": []}}))
    assert "not whole" in why(partial)
    assert "CORDON_LOG_WORKSPACES" in why(activity(workspaces=()))


def test_the_practice_tenant_tells_of_each_call_with_the_token_of_its_sign_in() -> None:
    """Both logs name one token alike, so that a token without a sign-in stands out."""

    async def story(place: Place) -> tuple[set[str | None], set[str]]:
        signed = place.practice.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, SECRET))
        assert signed.token is not None
        await Desk(place.practice).raw("GET", "/domains", token=signed.token.text)
        found = await place.tenant.directory.look(REF, ACTIVITY)
        assert isinstance(found.sign_ins, Known)
        return {each.token_id for each in found.sign_ins.value.records}, {
            e.id for e in known(found.graph_activity).tokens
        }

    signed, used = at(story, LICENSED, azure=EXPORTED, workspaces=None, behaviour=Behaviour.gentle())

    assert used
    assert used <= signed
