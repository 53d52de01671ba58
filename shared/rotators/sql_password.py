"""The password of the administrator of an Azure SQL server."""

from typing import ClassVar

from shared.rotators.administrator import Administrator


class SqlPassword(Administrator):
    """See `Administrator`."""

    name: ClassVar[str] = "sql-password"
    what: ClassVar[str] = "sql"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.Sql/servers/read",
        "Microsoft.Sql/servers/write",
        "Microsoft.Sql/locations/serverAzureAsyncOperation/read",
    )
