"""
Which permissions of Microsoft Graph a call could have needed, by its path. Judged broadly, for one use only: what no
call could have needed was not used. A permission that is not listed here is not judged at all.

Paths are in lower case, `*` stands for any one segment. Facts: Graph's permissions reference, by what each permission
opens; a permission of the whole directory counts as used by any call.
"""

from collections.abc import Mapping, Sequence

_ANY = ("",)
_APPLICATIONS = (
    "/applications",
    "/serviceprincipals",
    "/directoryobjects",
    "/directory",
    "/oauth2permissiongrants",
    "/approleassignments",
    "/groups/*/approleassignments",
    "/users/*/approleassignments",
    "/users/*/oauth2permissiongrants",
    "/users/*/ownedobjects",
    "/applicationtemplates",
    "/policies",
    "/me",
)
_ROLES = (
    "/rolemanagement",
    "/directoryroles",
    "/directoryroletemplates",
    "/directoryobjects",
    "/directory",
    "/administrativeunits",
    "/privilegedaccess",
    "/identitygovernance",
    "/policies",
    "/groups",
    "/me",
)
_PRIVILEGED_GROUPS = ("/identitygovernance", "/privilegedaccess", "/policies", "/groups")
_PEOPLE = ("/users", "/me", "/directoryobjects", "/directory", "/contacts", "/groups", "/invitations", "/reports")
_GROUPS = (
    "/groups",
    "/grouplifecyclepolicies",
    "/groupsettings",
    "/teams",
    "/users",
    "/me",
    "/directoryobjects",
    "/directory",
    "/sites",
    "/drives",
    "/planner",
    "/chats",
    "/subscriptions",
)
_EVERYWHERE = ("/me", "/search", "/subscriptions")  # where data of all sorts is reached
_MAIL = (
    *_EVERYWHERE,
    "/users/*/messages",
    "/users/*/mailfolders",
    "/users/*/mailboxsettings",
    "/users/*/sendmail",
    "/users/*/inferenceclassification",
    "/users/*/outlook",
    "/users/*/getmailtips",
    "/users/*/translateexchangeids",
    "/users/*/extensions",
    "/users/*/people",
    "/admin/exchange",
)
_FILES = (
    *_EVERYWHERE,
    "/sites",
    "/drive",
    "/drives",
    "/shares",
    "/storage",
    "/admin/sharepoint",
    "/users/*/drive",
    "/users/*/drives",
    "/users/*/followedsites",
    "/users/*/insights",
    "/groups/*/drive",
    "/groups/*/drives",
    "/groups/*/sites",
    "/teams/*/channels",
    "/teams/*/primarychannel",
)
_CHATS = (*_EVERYWHERE, "/chats", "/users/*/chats", "/teams", "/teamwork", "/communications", "/users/*/teamwork")
_DEVICES = ("/devicemanagement", "/deviceappmanagement", "/devices", "/users/*/manageddevices", "/me")

_NEEDED_BY: Mapping[str, Sequence[str]] = {
    "RoleManagement.ReadWrite.Directory": _ROLES,
    "AppRoleAssignment.ReadWrite.All": _APPLICATIONS,
    "Application.ReadWrite.All": _APPLICATIONS,
    "Application.ReadWrite.OwnedBy": _APPLICATIONS,
    "RoleAssignmentSchedule.ReadWrite.Directory": _ROLES,
    "RoleEligibilitySchedule.ReadWrite.Directory": _ROLES,
    "RoleManagementPolicy.ReadWrite.Directory": _ROLES,
    "PrivilegedAccess.ReadWrite.AzureADGroup": _PRIVILEGED_GROUPS,
    "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup": _PRIVILEGED_GROUPS,
    "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup": _PRIVILEGED_GROUPS,
    "UserAuthenticationMethod.ReadWrite.All": _PEOPLE,
    "User-PasswordProfile.ReadWrite.All": _PEOPLE,
    "User.ReadWrite.All": _PEOPLE,
    "Domain.ReadWrite.All": ("/domains", "/domaindnsrecords", "/organization", "/directory", "/directoryobjects"),
    "Directory.ReadWrite.All": _ANY,
    "DelegatedPermissionGrant.ReadWrite.All": _APPLICATIONS,
    "Policy.ReadWrite.PermissionGrant": ("/policies", "/directory", "/identity", "/teamwork"),
    "EntitlementManagement.ReadWrite.All": ("/identitygovernance", "/rolemanagement"),
    "Organization.ReadWrite.All": (
        "/organization",
        "/tenantrelationships",
        "/certificatebasedauthconfiguration",
        "/directory",
        "/domains",
        "/subscribedskus",
        "/contracts",
        "/directoryobjects",
        "/users",
        "/me",
    ),
    "Policy.ReadWrite.ConditionalAccess": ("/identity", "/policies", "/applications", "/serviceprincipals"),
    "Policy.ReadWrite.AuthenticationMethod": ("/policies", "/identity", "/reports"),
    "Policy.ReadWrite.CrossTenantAccess": ("/policies", "/identity", "/tenantrelationships"),
    "Group.ReadWrite.All": _GROUPS,
    "GroupMember.ReadWrite.All": ("/groups", "/users", "/me", "/directoryobjects", "/directory", "/subscriptions"),
    "Synchronization.ReadWrite.All": (
        "/serviceprincipals",
        "/applications",
        "/synchronization",
        "/applicationtemplates",
    ),
    "DeviceManagementConfiguration.ReadWrite.All": _DEVICES,
    "DeviceManagementManagedDevices.PrivilegedOperations.All": _DEVICES,
    "DeviceManagementScripts.ReadWrite.All": _DEVICES,
    "Mail.ReadWrite": _MAIL,
    "Mail.Read": _MAIL,
    "Mail.Send": _MAIL,
    "MailboxSettings.ReadWrite": _MAIL,
    "Sites.FullControl.All": _FILES,
    "Sites.ReadWrite.All": _FILES,
    "Files.ReadWrite.All": _FILES,
    "Files.Read.All": _FILES,
    "Chat.ReadWrite.All": _CHATS,
}


def is_judged(permission: str) -> bool:
    """Whether it is known which calls need it."""
    return permission in _NEEDED_BY


def could_have_needed(permission: str, path: str) -> bool:
    """Whether a call to this path could have been allowed by this permission, which is one that is judged."""
    asked = path.strip("/").split("/")
    return any(_begins(asked, prefix.strip("/").split("/")) for prefix in _NEEDED_BY[permission])


def _begins(path: Sequence[str], prefix: Sequence[str]) -> bool:
    """A segment that could not be told from an id may be any."""
    if prefix == [""]:
        return True
    if len(path) < len(prefix):
        return False
    return all(wanted in ("*", given) or given == "*" for given, wanted in zip(path, prefix, strict=False))
