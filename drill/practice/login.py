"""
Where tokens are fetched over HTTP: Entra's token endpoint, and App Service's endpoint for managed identities.

Both only matter when somebody else's process signs in (loopback); in process, PracticeCredential asks directly.
"""

from typing import cast
from urllib.parse import parse_qs

from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.shapes import JsonObject
from drill.practice.sign_ins import UNKNOWN_APPLICATION, Credential, CredentialKind, SignIn, sign_in
from drill.practice.state import TenantState
from drill.practice.tokens import audience_of
from drill.practice.web import Answer, Request

HOST = "login.microsoftonline.com"
MANAGED_IDENTITY_PATH = "/msi/token"


def answer(state: TenantState, request: Request) -> Answer:
    """`POST /{tenant}/oauth2/v2.0/token` with a client secret."""
    if request.method != "POST" or not request.path.endswith("/oauth2/v2.0/token"):
        return Answer(404, {"error": "not_found"})
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    if form.get("grant_type") != "client_credentials" or not form.get("client_secret"):
        return _error(400, "unsupported_grant_type", 70003)
    credential = Credential(CredentialKind.SECRET, value=form["client_secret"])
    result = _signed_in(state, form.get("client_id", ""), credential, form.get("scope", ""))
    return _token(state, result)


def answer_managed_identity(state: TenantState, request: Request) -> Answer:
    """`GET /msi/token?resource=…&client_id=…`, as IDENTITY_ENDPOINT is asked."""
    client_id, resource = request.query.get("client_id", ""), request.query.get("resource", "")
    result = _signed_in(state, client_id, Credential(CredentialKind.MANAGED_IDENTITY), resource)
    given = _token(state, result)
    if result.token:
        body = cast("JsonObject", given.body)
        given.body = {**body, "resource": resource, "client_id": client_id}
    return given


def _signed_in(state: TenantState, client_id: str, credential: Credential, scope: str) -> SignIn:
    entry = state.directory.by_app_id(SERVICE_PRINCIPAL, client_id)
    if entry is None:
        return SignIn(UNKNOWN_APPLICATION)
    return sign_in(state, entry.id, credential, audience=audience_of(scope))


def _token(state: TenantState, result: SignIn) -> Answer:
    if result.token is None:
        return _error(401, "invalid_client", result.error_code)
    left = int((result.token.expires_at - state.now).total_seconds())
    expires_on = str(int(result.token.expires_at.timestamp()))
    body: JsonObject = {"token_type": "Bearer", "expires_in": left, "expires_on": expires_on}
    return Answer(200, {**body, "access_token": result.token.text})


def _error(status: int, error: str, code: int) -> Answer:
    return Answer(status, {"error": error, "error_description": f"AADSTS{code}: refused.", "error_codes": [code]})
