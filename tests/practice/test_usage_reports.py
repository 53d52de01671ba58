"""reports/appCredentialSignInActivities on the practice tenant: beta only, by the documented filters."""

from urllib.parse import quote

from drill.practice import Credential, CredentialKind
from tests.practice.desk import APP_ID, PRINCIPAL, SECRET, Desk, at_the_desk
from tests.practice.test_sign_in_log import licensed

FILTER = quote(f"appId eq '{APP_ID}'")
REPORT = "/reports/appCredentialSignInActivities"


def test_the_report_tells_when_a_credential_was_last_used() -> None:
    """Of this application, of this key; both of its objects count."""

    async def story(desk: Desk) -> None:
        desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, SECRET))
        reply = await desk.raw("GET", f"/beta{REPORT}?$filter={FILTER}", role="reader")
        (entry,) = reply.body["value"]

        assert (entry["keyId"], entry["credentialOrigin"]) == (SECRET, "application")
        assert entry["signInActivity"]["lastSignInDateTime"] == "2026-03-02T03:00:00.0000000Z"

    at_the_desk(story, licensed())


def test_it_is_in_beta_and_takes_the_licence_and_a_documented_filter() -> None:
    """Everything else is refused."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("GET", REPORT, role="reader")).status == 400
        assert (await desk.raw("GET", f"/beta{REPORT}?$filter=resourceId eq 'x'", role="reader")).status == 400

    async def unlicensed(desk: Desk) -> None:
        assert (await desk.raw("GET", f"/beta{REPORT}", role="reader")).status == 403

    at_the_desk(story, licensed())
    at_the_desk(unlicensed)
