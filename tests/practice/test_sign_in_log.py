"""auditLogs/signIns: what it takes to see a workload's sign-ins (facts: Graph signin-list)."""

from urllib.parse import quote

from drill.practice import Behaviour, Credential, CredentialKind
from tests.practice.desk import PRINCIPAL, SECRET, Desk, JsonObject, at_the_desk, payroll

LOG = "/beta/auditLogs/signIns"
TYPE = "signInEventTypes/any(t:t eq 'servicePrincipal')"


def licensed() -> JsonObject:
    return {**payroll(), "licences": ["AAD_PREMIUM"]}


def query(*conditions: str) -> str:
    return f"{LOG}?$filter={quote(' and '.join(conditions))}"


async def try_twice(desk: Desk) -> None:
    """Once with a secret that is good, once after the block."""
    desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, SECRET))
    await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False})
    desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, SECRET), by="attacker:1")


def test_sign_ins_are_found_by_type_identity_and_code() -> None:
    """The refusal of a blocked identity is 7000112, and it tells whence and with which key."""

    async def story(desk: Desk) -> None:
        await try_twice(desk)
        about = f"servicePrincipalId eq '{PRINCIPAL}'"
        refused = await desk.raw("GET", query(TYPE, about, "status/errorCode eq 7000112"))
        both = await desk.raw("GET", query(TYPE, about))

        (record,) = refused.body["value"]
        assert (record["servicePrincipalCredentialKeyId"], record["ipAddress"]) == (SECRET, "198.51.100.66")
        assert [each["status"]["errorCode"] for each in both.body["value"]] == [7000112, 0]

    at_the_desk(story, licensed())


def test_workloads_do_not_show_where_they_are_not_asked_for() -> None:
    """Without the type filter, and in v1.0, the list is one of people; undocumented filters are refused."""

    async def story(desk: Desk) -> None:
        await try_twice(desk)

        assert (await desk.raw("GET", LOG)).body["value"] == []
        assert (await desk.raw("GET", "/auditLogs/signIns")).body["value"] == []
        assert (await desk.raw("GET", f"/auditLogs/signIns?$filter={quote(TYPE)}")).status == 400
        assert (await desk.raw("GET", query(TYPE, "createdDateTime gt 2026-03-02T00:00:00Z"))).status == 400

    at_the_desk(story, licensed())


def test_the_log_takes_a_licence() -> None:
    """Workload ID Premium alone is not Entra ID P1."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("GET", query(TYPE))

        assert reply.status == 403
        assert "premium license" in reply.body["error"]["message"]

    at_the_desk(story)


def test_the_log_is_late() -> None:
    """A sign-in of just now is not in it yet."""

    async def story(desk: Desk) -> None:
        await try_twice(desk)

        assert (await desk.raw("GET", query(TYPE))).body["value"] == []

    at_the_desk(story, licensed(), behaviour=Behaviour.gentle(sign_in_delay=(900.0, 1800.0)))
