"""
A person consents to an application: the grants that come of it, and the records (facts: graph 2).

One consent writes several records under one correlation id: of the consent itself, whose target is the client, and a
delegated grant for the API. What was agreed to is a text of its own form, "[old entries] => [new entries]".
"""

from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.graph import delegated_grants
from drill.practice.graph.audit_trail import AuditTrail, quoted
from drill.practice.graph.navigation import GRANTS, members, put
from drill.practice.odata import bad_request
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request

FIELDS = ("clientId", "scope", "consentType", "principalId", "resourceId")


def consent(state: TenantState, request: Request) -> Answer:
    """201 with the grant: to what nobody in whose name it is given has consented yet."""
    body = request.json_object()
    client = state.directory.find(SERVICE_PRINCIPAL, str(body.get("clientId")))
    resource = state.directory.find(SERVICE_PRINCIPAL, str(body.get("resourceId")))
    if client is None or resource is None:
        raise bad_request("clientId and resourceId must be service principals of this tenant.")
    if not str(body.get("scope") or "").strip():
        raise bad_request("A consent is to a scope.")
    made = delegated_grants.new_grant(state, body)
    if any(delegated_grants.whose(each) == delegated_grants.whose(made) for each in members(client.state, GRANTS)):
        raise bad_request("Permission entry already exists.", "Request_MultipleObjectsWithSameKeyValue")
    put(state, client, GRANTS, made)
    trail = AuditTrail(state, request)
    delegated_grants.tell_grant(trail, client, resource, made)
    trail.write("Consent to application", client, _told(made), operation="Assign")
    return Answer(201, made)


def _told(grant: JsonObject) -> list[JsonObject]:
    """The properties. Administrators consent for everybody or for themselves; the record does not hide which."""
    for_all = grant["consentType"] == "AllPrincipals"
    entry = (
        f"[Id: {grant['id']}, ClientId: {grant['clientId']}, PrincipalId: {grant['principalId'] or ''}, "
        f"ResourceId: {grant['resourceId']}, ConsentType: {grant['consentType']}, Scope:  {grant['scope']}]"
    )
    return [
        quoted("ConsentContext.IsAdminConsent", None, str(for_all)),
        quoted("ConsentContext.IsAppOnly", None, "False"),
        quoted("ConsentContext.OnBehalfOfAll", None, str(for_all)),
        quoted("ConsentAction.Permissions", None, f"[] => [{entry}]; "),
    ]
