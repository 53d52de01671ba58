"""Who we are to Azure: a managed identity by its client id; on a developer's machine, whatever is signed in there."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

# Azure sets one of these where a managed identity can be asked for tokens.
_ENDPOINTS = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")


def credential_for(client_id: str) -> "AsyncTokenCredential":
    """The credential of one of Cordon's user-assigned identities. Asks for no token yet."""
    if any(os.environ.get(name) for name in _ENDPOINTS):
        from azure.identity.aio import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=client_id)
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id, exclude_interactive_browser_credential=True)
