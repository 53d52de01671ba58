"""
The catalogue of dangerous permissions: app roles, delegated scopes and directory roles, in tiers, and by which path
the holder makes itself Global Administrator. Data that is judged, not measured; `VERSION` says which judgement. A role
of the tenant's own is what its actions are: those that change something, by what they change.

App roles are told by their ids, which their maker cannot choose twice for another resource of Microsoft's; an id that
somebody gives a role of an API of his own is a false alarm and no way around. Scopes have no id in a grant, so they
are told by name, whatever the API (facts: Graph 6, and Microsoft's permissions reference).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

VERSION = "2026-11"


class Tier(StrEnum):
    """How far it reaches. Values are the policy's words."""

    ZERO = "tier-0"  # leads to Global Administrator, or is it
    ONE = "tier-1"  # changes people, groups, devices or safeguards of the whole tenant
    DATA = "data"  # reads or changes what everybody has written


@dataclass(frozen=True, slots=True)
class Privilege:
    """One entry. `path` tells how its holder becomes Global Administrator; None where no way is known in one hop."""

    name: str
    tier: Tier
    path: str | None = None


_ITSELF = "assigns itself the role Global Administrator"
_GRANTS = "grants itself RoleManagement.ReadWrite.Directory, and with it assigns itself Global Administrator"
_CREDENTIAL = "gives a new credential to an application that holds more, and signs in as that one"
_GROUP = "enters a group that holds a privileged role"
_ADMINISTRATOR = "takes over the sign-in of a Global Administrator"
_FEDERATION = "lets an identity provider of its own vouch for any user of a domain"

_GRAPH: tuple[tuple[str, str, Tier, str | None], ...] = (
    ("RoleManagement.ReadWrite.Directory", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", Tier.ZERO, _ITSELF),
    ("AppRoleAssignment.ReadWrite.All", "06b708a9-e830-4db3-a914-8e69da51d44f", Tier.ZERO, _GRANTS),
    ("Application.ReadWrite.All", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", Tier.ZERO, _CREDENTIAL),
    ("RoleAssignmentSchedule.ReadWrite.Directory", "dd199f4a-f148-40a4-a2ec-f0069cc799ec", Tier.ZERO, _ITSELF),
    (
        "RoleEligibilitySchedule.ReadWrite.Directory",
        "fee28b28-e1f3-4841-818e-2704dc62245f",
        Tier.ZERO,
        "makes an account of its own eligible for Global Administrator",
    ),
    (
        "RoleManagementPolicy.ReadWrite.Directory",
        "31e08e0a-d3f7-4ca2-ac39-7343fb83e8ad",
        Tier.ZERO,
        "takes approval and second factor off the activation of Global Administrator",
    ),
    ("PrivilegedAccess.ReadWrite.AzureADGroup", "2f6817f8-7b12-4f0f-bc18-eeaf60705a9e", Tier.ZERO, _GROUP),
    ("PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup", "41202f2c-f7ab-45be-b001-85c9728b9d69", Tier.ZERO, _GROUP),
    ("PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup", "618b6020-bca8-4de6-99f6-ef445fa4d857", Tier.ZERO, _GROUP),
    ("UserAuthenticationMethod.ReadWrite.All", "50483e42-d915-4231-9639-7fdb7fd190e5", Tier.ZERO, _ADMINISTRATOR),
    ("User-PasswordProfile.ReadWrite.All", "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7", Tier.ZERO, _ADMINISTRATOR),
    ("Domain.ReadWrite.All", "7e05723c-0bb0-42da-be95-ae9f08a6e53c", Tier.ZERO, _FEDERATION),
    ("Directory.ReadWrite.All", "19dbc75e-c2e2-444c-a770-ec69d8559fc7", Tier.ZERO, _CREDENTIAL),
    (
        "DelegatedPermissionGrant.ReadWrite.All",
        "8e8e4742-1d95-4f68-9d56-6ee75648c72a",
        Tier.ZERO,
        "grants itself every permission in the name of an administrator, and waits for one to sign in",
    ),
    (
        "Policy.ReadWrite.PermissionGrant",
        "a402ca1c-2696-4531-972d-6e5ee4aa11ea",
        Tier.ZERO,
        "changes who may consent, and consents to what assigns roles",
    ),
    (
        "EntitlementManagement.ReadWrite.All",
        "9acd699f-1e81-4958-b001-93b1d2506e19",
        Tier.ZERO,
        "hands itself an access package that holds a privileged role",
    ),
    (
        "Organization.ReadWrite.All",
        "292d869f-3427-49a8-9dab-8c70152b74e9",
        Tier.ZERO,
        "adds a certificate authority of its own, and signs in as an administrator by certificate",
    ),
    ("Policy.ReadWrite.ConditionalAccess", "01c0a623-fc9b-48e9-b794-0756f8e8f067", Tier.ONE, None),
    ("Policy.ReadWrite.AuthenticationMethod", "29c18626-4985-4dcd-85c0-193eef327366", Tier.ONE, None),
    ("Policy.ReadWrite.CrossTenantAccess", "338163d7-f101-4c92-94ba-ca46fe52447c", Tier.ONE, None),
    ("Application.ReadWrite.OwnedBy", "18a4783c-866b-4cc7-a460-3d5e5662c884", Tier.ONE, None),
    ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca", Tier.ONE, None),
    ("Group.ReadWrite.All", "62a82d76-70ea-41e2-9197-370581804d09", Tier.ONE, None),
    ("GroupMember.ReadWrite.All", "dbaae8cf-10b5-4b86-a4a1-f871c94c6695", Tier.ONE, None),
    ("Synchronization.ReadWrite.All", "9b50c33d-700f-43b1-b2eb-87e89b703581", Tier.ONE, None),
    ("DeviceManagementConfiguration.ReadWrite.All", "9241abd9-d0e6-425a-bd4f-47ba86e767a4", Tier.ONE, None),
    (
        "DeviceManagementManagedDevices.PrivilegedOperations.All",
        "5b07b0dd-2377-4e44-a38d-703f09a0dc3c",
        Tier.ONE,
        None,
    ),
    ("DeviceManagementScripts.ReadWrite.All", "9255e99d-faf5-445e-bbf7-cb71482737c4", Tier.ONE, None),
    ("Mail.ReadWrite", "e2a3a72e-5f79-4c64-b1b1-878b674786c9", Tier.DATA, None),
    ("Mail.Read", "810c84a8-4a9e-49e6-bf7d-12d183f40d01", Tier.DATA, None),
    ("Mail.Send", "b633e1c5-b582-4048-a93e-9f11b44c7e96", Tier.DATA, None),
    ("MailboxSettings.ReadWrite", "6931bccd-447a-43d1-b442-00a195474933", Tier.DATA, None),
    ("Sites.FullControl.All", "a82116e5-55eb-4c41-a434-62fe8a61c773", Tier.DATA, None),
    ("Sites.ReadWrite.All", "9492366f-7969-46a4-8d15-ed1a20078fff", Tier.DATA, None),
    ("Files.ReadWrite.All", "75359482-378d-4052-8f01-80520e7db3cd", Tier.DATA, None),
    ("Files.Read.All", "01d4889c-1287-42c6-ac1f-5d1e02578ef6", Tier.DATA, None),
    ("Chat.ReadWrite.All", "294ce7c9-31ba-490a-ad7d-97a7d075e4ed", Tier.DATA, None),
)
# Of Exchange Online and SharePoint Online.
_BEYOND_GRAPH: tuple[tuple[str, str, Tier, str | None], ...] = (
    ("full_access_as_app", "dc890d15-9560-4a4c-9b7f-a736ec74ec40", Tier.DATA, None),
    ("Exchange.ManageAsApp", "dc50a0fb-09a3-484d-be87-e023b12c6440", Tier.ONE, None),
    ("SharePoint Sites.FullControl.All", "678536fe-1083-478a-9c59-b99265e6b0d3", Tier.DATA, None),
)
# Delegated only. The names above count as scopes as well: in the name of an administrator they do the same.
_SCOPES: tuple[tuple[str, Tier, str | None], ...] = (
    ("Directory.AccessAsUser.All", Tier.ZERO, "does whatever an administrator who has consented may do"),
    ("user_impersonation", Tier.ONE, None),
    ("EWS.AccessAsUser.All", Tier.DATA, None),
    ("IMAP.AccessAsUser.All", Tier.DATA, None),
    ("POP.AccessAsUser.All", Tier.DATA, None),
    ("SMTP.Send", Tier.DATA, None),
    ("Mail.Read.Shared", Tier.DATA, None),
    ("Mail.ReadWrite.Shared", Tier.DATA, None),
    ("Mail.Send.Shared", Tier.DATA, None),
    ("Files.ReadWrite", Tier.DATA, None),
    ("Sites.Read.All", Tier.DATA, None),
    ("AllSites.FullControl", Tier.DATA, None),
    ("Chat.Read", Tier.DATA, None),
    ("Chat.ReadWrite", Tier.DATA, None),
    ("Notes.Read.All", Tier.DATA, None),
)
_ROLES: tuple[tuple[str, str, Tier, str | None], ...] = (
    ("Global Administrator", "62e90394-69f5-4237-9190-012177145e10", Tier.ZERO, "is it"),
    ("Privileged Role Administrator", "e8611ab8-c189-46e8-94e1-60213ab1f814", Tier.ZERO, _ITSELF),
    ("Privileged Authentication Administrator", "7be44c8a-adaf-4e2a-84d6-ab2649e08a13", Tier.ZERO, _ADMINISTRATOR),
    ("Application Administrator", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", Tier.ZERO, _CREDENTIAL),
    ("Cloud Application Administrator", "158c047a-c907-4556-b7ef-446551a6b5f7", Tier.ZERO, _CREDENTIAL),
    ("Hybrid Identity Administrator", "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", Tier.ZERO, _FEDERATION),
    ("Domain Name Administrator", "8329153b-31d0-4727-b945-745eb3bc5f31", Tier.ZERO, _FEDERATION),
    ("External Identity Provider Administrator", "be2f45a1-457d-42af-a067-6ec1fa63bc45", Tier.ZERO, _FEDERATION),
    ("Partner Tier2 Support", "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8", Tier.ZERO, _ADMINISTRATOR),
    ("Partner Tier1 Support", "4ba39ca4-527c-499a-b93d-d9b492c50246", Tier.ONE, None),
    ("Directory Synchronization Accounts", "d29b2b05-8046-44ba-8758-1e26182fcf32", Tier.ONE, None),
    ("Application Developer", "cf1c38e5-3621-4004-a7cb-879624dced7c", Tier.ONE, None),
    ("Conditional Access Administrator", "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", Tier.ONE, None),
    ("Security Administrator", "194ae4cb-b126-40b2-bd5b-6091b380977d", Tier.ONE, None),
    ("User Administrator", "fe930be7-5e62-47db-91af-98c3a49a38b1", Tier.ONE, None),
    ("Authentication Administrator", "c4e39bd9-1100-46d3-8c65-fb160da0071f", Tier.ONE, None),
    ("Helpdesk Administrator", "729827e3-9c14-49f7-bb1b-9608f156bbb8", Tier.ONE, None),
    ("Password Administrator", "966707d0-3269-4727-9be2-8c3a10f19b9d", Tier.ONE, None),
    ("Directory Writers", "9360feb5-f418-4baa-8175-e2a00bac4301", Tier.ONE, None),
    ("Exchange Administrator", "29232cdf-9323-42fd-ade2-1d097af3e4de", Tier.ONE, None),
    ("Intune Administrator", "3a2c62db-5318-420d-8d74-23affee5d9d5", Tier.ONE, None),
    ("Agent ID Administrator", "db506228-d27e-4b7d-95e5-295956d6615f", Tier.ONE, None),
    ("Security Operator", "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f", Tier.DATA, None),
    ("Security Reader", "5d6b6bb7-de71-4623-b4af-96380a352509", Tier.DATA, None),
    ("Global Reader", "f2ef992c-3afb-46b9-b7cf-a126ee74c451", Tier.DATA, None),
)

APP_ROLES: Mapping[str, Privilege] = {
    id_: Privilege(name, tier, path) for name, id_, tier, path in (*_GRAPH, *_BEYOND_GRAPH)
}
"""By appRoleId."""
DIRECTORY_ROLES: Mapping[str, Privilege] = {id_: Privilege(name, tier, path) for name, id_, tier, path in _ROLES}
"""By template id, which for built-in roles is the id of the definition too."""
SCOPES: Mapping[str, Privilege] = {
    name.casefold(): Privilege(name, tier, path)
    for name, tier, path in (*((name, tier, path) for name, _, tier, path in _GRAPH), *_SCOPES)
}
"""By name, folded: Entra compares them without case."""
_ROLE_NAMES: Mapping[str, Privilege] = {each.name.casefold(): each for each in APP_ROLES.values()}
_SEVERITY = {tier: place for place, tier in enumerate(Tier)}


def app_role(role_id: str | None, name: str | None = None) -> Privilege | None:
    """What an app role is in the catalogue, by its id, or by its name where an audit record gives nothing else."""
    if role_id is not None and (found := APP_ROLES.get(role_id.lower())):
        return found
    return _ROLE_NAMES.get(name.casefold()) if name and role_id is None else None


def scopes(text: str) -> tuple[Privilege, ...]:
    """The dangerous ones among the scopes of a grant, which are separated by blanks."""
    found = (SCOPES.get(name.casefold()) for name in text.split())
    return tuple(each for each in found if each is not None)


def directory_role(role_id: str | None) -> Privilege | None:
    return DIRECTORY_ROLES.get(role_id.lower()) if role_id else None


@dataclass(frozen=True, slots=True)
class Ungraded:
    """What a directory role may do is not known, and why: it is no harmless one."""

    why: str


def role_held(
    role_id: str, name: str | None, built_in: bool | None, actions: tuple[str, ...] | None
) -> Privilege | Ungraded | None:
    """What a directory role amounts to; None: nothing of the catalogue. All dangerous built-in ones are in it."""
    if found := directory_role(role_id):
        return found
    if built_in is True:
        return None
    shown = name or role_id
    if actions is None:
        return Ungraded(f"the role “{shown}”, which is the tenant's own: what that may do could not be read")
    graded = [(action, each) for action in actions if (each := _graded(action)) is not None]
    found = worst([each for _, each in graded])
    if found is None:
        return None
    action = next(action for action, each in graded if each is found)
    return Privilege(f"the role “{shown}” with {action}", found.tier, found.path)


# The actions of directory roles are spelled microsoft.directory/ENTITY[.SUBTYPE]/[PROPERTIES/]VERB (facts: Entra docs
# custom-available-permissions and permissions-reference). By entity: beginnings of the rest, the first that fits; ""
# fits the rest of what changes anything.
_OF_OBJECTS: tuple[tuple[str, Tier, str | None], ...] = (
    ("credentials/", Tier.ZERO, _CREDENTIAL),
    ("owners/", Tier.ZERO, _CREDENTIAL),
    ("allproperties/", Tier.ZERO, _CREDENTIAL),
    ("managepermissiongrantsforall", Tier.ZERO, _GRANTS),
    ("managepermissiongrantsforself", Tier.DATA, None),
    ("approleassignedto/", Tier.ONE, None),
    ("", Tier.ONE, None),
)
_ACTIONS: Mapping[str, tuple[tuple[str, Tier, str | None], ...]] = {
    "applications": _OF_OBJECTS,
    "serviceprincipals": _OF_OBJECTS,
    "oauth2permissiongrants": (("", Tier.ZERO, _GRANTS),),
    "approleassignments": (("", Tier.ZERO, _GRANTS),),
    "permissiongrantpolicies": (("", Tier.ZERO, _GRANTS),),
    "roleassignments": (("", Tier.ZERO, _ITSELF),),
    "roledefinitions": (("", Tier.ZERO, _ITSELF),),
    "directoryroles": (("", Tier.ZERO, _ITSELF),),
    "privilegedidentitymanagement": (("", Tier.ZERO, _ITSELF),),
    "groupsassignabletoroles": (("", Tier.ZERO, _GROUP),),
    "entitlementmanagement": (("", Tier.ZERO, _GROUP),),
    "users": (
        ("password/", Tier.ZERO, _ADMINISTRATOR),
        ("authenticationmethods/", Tier.ZERO, _ADMINISTRATOR),
        ("allproperties/", Tier.ZERO, _ADMINISTRATOR),
        ("", Tier.ONE, None),
    ),
    "domains": (("", Tier.ZERO, _FEDERATION),),
    "organization": (
        ("trustedcas", Tier.ZERO, _FEDERATION),
        ("allproperties/", Tier.ZERO, _FEDERATION),
        ("", Tier.ONE, None),
    ),
    "allentities": (("", Tier.ZERO, _ITSELF),),
    "*": (("", Tier.ZERO, _ITSELF),),
}


def _graded(action: str) -> Privilege | None:
    """
    Reading changes nothing. Of the directory what is not named above changes people, groups, devices or safeguards of
    the whole tenant, for all that is known.
    """
    provider, _, rest = action.strip().casefold().partition("/")
    entity, _, rest = rest.partition("/")
    if rest.rsplit("/", 1)[-1] == "read" or not entity:
        return None
    if provider != "microsoft.directory":
        return Privilege(action, Tier.ONE) if provider in _STRONG_PROVIDERS else None
    for beginning, tier, path in _ACTIONS.get(entity.split(".")[0], (("", Tier.ONE, None),)):
        if rest.startswith(beginning):
            return Privilege(action, tier, path)
    return None


_STRONG_PROVIDERS = frozenset({"microsoft.intune", "microsoft.office365.exchange"})


def worst(found: Iterable[Privilege]) -> Privilege | None:
    """The one that reaches furthest; of equals the first."""
    return min(found, key=lambda each: _SEVERITY[each.tier], default=None)
