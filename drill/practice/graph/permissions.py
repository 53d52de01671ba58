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
REMOVE_APP_ROLES = ("AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All")
GIVE_APP_ROLES = ("AppRoleAssignment.ReadWrite.All",)
READ_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
READ_GRANTS = (*READ_DIRECTORY, "DelegatedPermissionGrant.ReadWrite.All")
WRITE_GRANTS = ("DelegatedPermissionGrant.ReadWrite.All",)
READ_ROLES = ("RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory")
WRITE_ROLES = ("RoleManagement.ReadWrite.Directory",)
READ_POLICIES = ("Policy.Read.All",)
WRITE_POLICIES = ("Policy.ReadWrite.ConditionalAccess",)  # with READ_POLICIES and READ_APPLICATIONS
READ_RISK = ("IdentityRiskyServicePrincipal.Read.All", "IdentityRiskyServicePrincipal.ReadWrite.All")
WRITE_RISK = ("IdentityRiskyServicePrincipal.ReadWrite.All",)
READ_DETECTIONS = ("IdentityRiskEvent.Read.All", "IdentityRiskEvent.ReadWrite.All")
READ_USERS = ("User.Read.All", "User.ReadWrite.All", *READ_DIRECTORY)
# Who may read users may ask what they are members of, and sees of groups the id alone.
READ_GROUPS = ("Group.ReadWrite.All", "GroupMember.ReadWrite.All", *READ_DIRECTORY)
READ_OTHER_TENANTS = ("CrossTenantInformation.ReadBasic.All",)
READ_RISKY_USERS = ("IdentityRiskyUser.Read.All",)
READ_AUDITS = ("AuditLog.Read.All",)
READ_ORGANIZATION = ("Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All")
READ_DOMAINS = ("Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All")  # Graph docs domain-list
READ_LICENCES = ("LicenseAssignment.Read.All", "Organization.Read.All", "Directory.Read.All")

APPLICATION_ADMINISTRATORS = (
    "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
    "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
)
# What a directory role lets its holder do, told as the application permission that does the same.
BY_DIRECTORY_ROLE = {
    **dict.fromkeys(APPLICATION_ADMINISTRATORS, ("Application.ReadWrite.All",)),
    "62e90394-69f5-4237-9190-012177145e10": (
        "AppRoleAssignment.ReadWrite.All",
        "Application.ReadWrite.All",
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.Read.All",
        "Policy.Read.All",
        "Policy.ReadWrite.ConditionalAccess",
        "RoleManagement.ReadWrite.Directory",
    ),
    "e8611ab8-c189-46e8-94e1-60213ab1f814": (  # Privileged Role Administrator
        "AppRoleAssignment.ReadWrite.All",
        "RoleManagement.ReadWrite.Directory",
    ),
    "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9": (  # Conditional Access Administrator
        "Application.Read.All",
        "Policy.Read.All",
        "Policy.ReadWrite.ConditionalAccess",
    ),
}

CORDON = {
    "reader": (
        "Application.Read.All",
        "AuditLog.Read.All",
        "Directory.Read.All",
        "Domain.Read.All",
        "IdentityRiskEvent.Read.All",
        "IdentityRiskyServicePrincipal.Read.All",
        "IdentityRiskyUser.Read.All",
        "Organization.Read.All",
        "Policy.Read.All",
        "RoleManagement.Read.Directory",
        "User.Read.All",
    ),
    # Everything that any action or its undo needs; `tenant.permissions` of a scenario gives less.
    "executor": (
        "AppRoleAssignment.ReadWrite.All",
        "Application.ReadWrite.All",
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.Read.All",
        "IdentityRiskyServicePrincipal.ReadWrite.All",
        "Policy.Read.All",
        "Policy.ReadWrite.ConditionalAccess",
        "RoleManagement.ReadWrite.Directory",
    ),
    "rotator": (),
}

# appRoleId of Graph's own service principal -> permission.
BY_APP_ROLE_ID = {
    "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30": "Application.Read.All",
    "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9": "Application.ReadWrite.All",
    "18a4783c-866b-4cc7-a460-3d5e5662c884": "Application.ReadWrite.OwnedBy",
    "06b708a9-e830-4db3-a914-8e69da51d44f": "AppRoleAssignment.ReadWrite.All",
    "483bed4a-2ad3-4361-a73b-c83ccdbdc53c": "RoleManagement.Read.Directory",
    "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8": "RoleManagement.ReadWrite.Directory",
    "dd199f4a-f148-40a4-a2ec-f0069cc799ec": "RoleAssignmentSchedule.ReadWrite.Directory",
    "fee28b28-e1f3-4841-818e-2704dc62245f": "RoleEligibilitySchedule.ReadWrite.Directory",
    "31e08e0a-d3f7-4ca2-ac39-7343fb83e8ad": "RoleManagementPolicy.ReadWrite.Directory",
    "2f6817f8-7b12-4f0f-bc18-eeaf60705a9e": "PrivilegedAccess.ReadWrite.AzureADGroup",
    "7ab1d382-f21e-4acd-a863-ba3e13f7da61": "Directory.Read.All",
    "19dbc75e-c2e2-444c-a770-ec69d8559fc7": "Directory.ReadWrite.All",
    "50483e42-d915-4231-9639-7fdb7fd190e5": "UserAuthenticationMethod.ReadWrite.All",
    "7e05723c-0bb0-42da-be95-ae9f08a6e53c": "Domain.ReadWrite.All",
    "a402ca1c-2696-4531-972d-6e5ee4aa11ea": "Policy.ReadWrite.PermissionGrant",
    "292d869f-3427-49a8-9dab-8c70152b74e9": "Organization.ReadWrite.All",
    "b0afded3-3588-46d8-8b3d-9842eff778da": "AuditLog.Read.All",
    "607c7344-0eed-41e5-823a-9695ebe1b7b0": "IdentityRiskyServicePrincipal.Read.All",
    "cb8d6980-6bcb-4507-afec-ed6de3a2d798": "IdentityRiskyServicePrincipal.ReadWrite.All",
    "6e472fd1-ad78-48da-a0f0-97ab2c6b769e": "IdentityRiskEvent.Read.All",
    "246dd0d5-5bd0-4def-940b-0421030a5b68": "Policy.Read.All",
    "01c0a623-fc9b-48e9-b794-0756f8e8f067": "Policy.ReadWrite.ConditionalAccess",
    "8e8e4742-1d95-4f68-9d56-6ee75648c72a": "DelegatedPermissionGrant.ReadWrite.All",
    "e2f98668-2877-4f38-a2f4-8202e0717aa1": "LicenseAssignment.Read.All",
    "498476ce-e0fe-48b0-b801-37ba7e2685c6": "Organization.Read.All",
    "dbb9058a-0e50-45d7-ae91-66909b5d4664": "Domain.Read.All",
    "df021288-bdef-4463-88db-98f22de89214": "User.Read.All",
    "cac88765-0581-4025-9725-5ebc13f729ee": "CrossTenantInformation.ReadBasic.All",
    "dc5007c0-2d7d-4c42-879c-2dab87571379": "IdentityRiskyUser.Read.All",
    "741f803b-c850-494e-b5df-cde7c675a1ca": "User.ReadWrite.All",
    "62a82d76-70ea-41e2-9197-370581804d09": "Group.ReadWrite.All",
    "dbaae8cf-10b5-4b86-a4a1-f871c94c6695": "GroupMember.ReadWrite.All",
    "e2a3a72e-5f79-4c64-b1b1-878b674786c9": "Mail.ReadWrite",
    "810c84a8-4a9e-49e6-bf7d-12d183f40d01": "Mail.Read",
    "b633e1c5-b582-4048-a93e-9f11b44c7e96": "Mail.Send",
    "a82116e5-55eb-4c41-a434-62fe8a61c773": "Sites.FullControl.All",
    "9492366f-7969-46a4-8d15-ed1a20078fff": "Sites.ReadWrite.All",
    "75359482-378d-4052-8f01-80520e7db3cd": "Files.ReadWrite.All",
    "01d4889c-1287-42c6-ac1f-5d1e02578ef6": "Files.Read.All",
}
