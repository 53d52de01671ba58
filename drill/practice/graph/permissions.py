"""Which application permissions let a caller in. Any one of a tuple suffices (facts: graph 1-6, 10)."""

READ_APPLICATIONS = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
# Directory.ReadWrite.All writes service principals but not applications.
WRITE_PRINCIPALS = ("Application.ReadWrite.All", "Directory.ReadWrite.All", "Application.ReadWrite.OwnedBy")
WRITE_APPLICATIONS = ("Application.ReadWrite.All", "Application.ReadWrite.OwnedBy")
OWNED_BY = "Application.ReadWrite.OwnedBy"
READ_RISK = ("IdentityRiskyServicePrincipal.Read.All", "IdentityRiskyServicePrincipal.ReadWrite.All")
WRITE_RISK = ("IdentityRiskyServicePrincipal.ReadWrite.All",)
READ_DETECTIONS = ("IdentityRiskEvent.Read.All", "IdentityRiskEvent.ReadWrite.All")
READ_AUDITS = ("AuditLog.Read.All",)
READ_ORGANIZATION = ("Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All")
READ_LICENCES = ("LicenseAssignment.Read.All", "Organization.Read.All", "Directory.Read.All")

CORDON = {
    "reader": (
        "Application.Read.All",
        "AuditLog.Read.All",
        "IdentityRiskEvent.Read.All",
        "IdentityRiskyServicePrincipal.Read.All",
        "Organization.Read.All",
    ),
    "executor": ("Application.ReadWrite.All", "IdentityRiskyServicePrincipal.ReadWrite.All"),
    "rotator": (),
}

# appRoleId of Graph's own service principal -> permission, for identities of the scenario.
BY_APP_ROLE_ID = {
    "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30": "Application.Read.All",
    "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9": "Application.ReadWrite.All",
    "18a4783c-866b-4cc7-a460-3d5e5662c884": "Application.ReadWrite.OwnedBy",
    "06b708a9-e830-4db3-a914-8e69da51d44f": "AppRoleAssignment.ReadWrite.All",
    "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8": "RoleManagement.ReadWrite.Directory",
    "7ab1d382-f21e-4acd-a863-ba3e13f7da61": "Directory.Read.All",
    "19dbc75e-c2e2-444c-a770-ec69d8559fc7": "Directory.ReadWrite.All",
    "b0afded3-3588-46d8-8b3d-9842eff778da": "AuditLog.Read.All",
    "607c7344-0eed-41e5-823a-9695ebe1b7b0": "IdentityRiskyServicePrincipal.Read.All",
    "cb8d6980-6bcb-4507-afec-ed6de3a2d798": "IdentityRiskyServicePrincipal.ReadWrite.All",
    "6e472fd1-ad78-48da-a0f0-97ab2c6b769e": "IdentityRiskEvent.Read.All",
    "246dd0d5-5bd0-4def-940b-0421030a5b68": "Policy.Read.All",
    "01c0a623-fc9b-48e9-b794-0756f8e8f067": "Policy.ReadWrite.ConditionalAccess",
    "8e8e4742-1d95-4f68-9d56-6ee75648c72a": "DelegatedPermissionGrant.ReadWrite.All",
    "e2f98668-2877-4f38-a2f4-8202e0717aa1": "LicenseAssignment.Read.All",
}
