"""One of the four keys of a Cosmos DB account: two that may write, and two that only read."""

from typing import ClassVar

from shared.rotators.two_keys import TwoKeys


class CosmosKey(TwoKeys):
    """See `TwoKeys`."""

    name: ClassVar[str] = "cosmos-key"
    what: ClassVar[str] = "cosmos"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.DocumentDB/databaseAccounts/read",
        "Microsoft.DocumentDB/databaseAccounts/listKeys/action",
        "Microsoft.DocumentDB/databaseAccounts/regenerateKey/action",
        "Microsoft.DocumentDB/locations/operationsStatus/read",
    )
