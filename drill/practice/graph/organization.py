"""The tenant itself, its domains and its licences, as far as a responder asks."""

import uuid

from drill.practice.graph.lists import first_page, resumed
from drill.practice.graph.permissions import READ_DOMAINS, READ_LICENCES, READ_ORGANIZATION
from drill.practice.odata import Documented, bad_request
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request, Route

_DOMAINS = Documented(
    {}, frozenset({"id", "isVerified", "isDefault"}), (100, 999), frozenset({"$select", "$skiptoken"})
)
_RULES = Documented({}, frozenset({"id", "displayName"}), (100, 999), frozenset({"$select", "$top", "$skiptoken"}))


def list_organization(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _RULES, "organization"):
        return page
    record: JsonObject = {
        "id": state.id,
        "displayName": "Practice tenant",
        "tenantType": "AAD",
        "verifiedDomains": [_verified(each) for each in state.domains if each["isVerified"]],
    }
    return first_page(state, request, _RULES, "organization", [dump(record)])


def _verified(domain: JsonObject) -> JsonObject:
    shown: JsonObject = {"name": domain["id"], "type": domain["authenticationType"], "capabilities": "Email"}
    return {**shown, "isDefault": domain["isDefault"], "isInitial": domain["isInitial"]}


def list_domains(state: TenantState, request: Request) -> Answer:
    """Unverified ones too: whoever asks must look at isVerified."""
    if page := resumed(state, request, _DOMAINS, "domains"):
        return page
    return first_page(state, request, _DOMAINS, "domains", [dump(each) for each in state.domains])


def completed_domain(given: JsonObject) -> JsonObject:
    """A domain of a scenario with what it leaves out (facts: Graph docs domain)."""
    defaults: JsonObject = {
        "id": None,
        "authenticationType": "Managed",
        "availabilityStatus": None,
        "isAdminManaged": True,
        "isDefault": False,
        "isInitial": False,
        "isRoot": True,
        "isVerified": True,
        "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        "passwordValidityPeriodInDays": None,
        "passwordNotificationWindowInDays": None,
        "state": None,
    }
    if unknown := set(given) - set(defaults):
        raise bad_request(f"Invalid property '{min(unknown)}' of a domain.")
    return {**defaults, **given}


def list_skus(state: TenantState, request: Request) -> Answer:
    if page := resumed(state, request, _RULES, "subscribedSkus"):
        return page
    rows = [dump(_sku(state, name)) for name in sorted(state.licences)]
    return first_page(state, request, _RULES, "subscribedSkus", rows)


_P1 = ("41781fb2-bc02-4b7c-bd55-b576c07bb09d", "AAD_PREMIUM")
_PREMIUM_PLANS = {
    "AAD_PREMIUM": (_P1,),
    "AAD_PREMIUM_P2": (_P1, ("eec0eb4f-6444-4f95-aba0-50c24d67f998", "AAD_PREMIUM_P2")),
}


def _plans(name: str) -> list[JsonObject]:
    """What a licence is made of. A product that nobody asks about here has one plan of its own name."""
    if name == "WorkloadIdentitiesPremium":
        return [
            {"servicePlanId": "84c289f0-efcb-486f-8581-07f44fc9efad", "servicePlanName": "AAD_WRKLDID_P1"},
            {"servicePlanId": "7dc0e92d-bf15-401d-907e-0884efe7c760", "servicePlanName": "AAD_WRKLDID_P2"},
        ]
    if name in _PREMIUM_PLANS:
        return [{"servicePlanId": plan, "servicePlanName": plan_name} for plan, plan_name in _PREMIUM_PLANS[name]]
    return [{"servicePlanId": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "servicePlanName": name}]


def _sku(state: TenantState, name: str) -> JsonObject:
    return {
        "id": f"{state.id}_{name}",
        "skuPartNumber": name,
        "capabilityStatus": "Enabled",
        "consumedUnits": 1,
        "prepaidUnits": {"enabled": 100, "suspended": 0, "warning": 0, "lockedOut": 0},
        "servicePlans": [{**plan, "provisioningStatus": "Success", "appliesTo": "Company"} for plan in _plans(name)],
    }


ROUTES: tuple[Route[TenantState], ...] = (
    Route("GET", "/organization", list_organization, READ_ORGANIZATION),
    Route("GET", "/domains", list_domains, READ_DOMAINS),
    Route("GET", "/subscribedSkus", list_skus, READ_LICENCES),
)
