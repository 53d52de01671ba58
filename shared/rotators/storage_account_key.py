"""One of the two keys of a storage account. A new one also ends every shared access signature made with the old."""

from typing import ClassVar

from shared.rotators.two_keys import TwoKeys


class StorageAccountKey(TwoKeys):
    """See `TwoKeys`."""

    name: ClassVar[str] = "storage-account-key"
    what: ClassVar[str] = "storage"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.Storage/storageAccounts/read",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Storage/storageAccounts/regenerateKey/action",
    )
