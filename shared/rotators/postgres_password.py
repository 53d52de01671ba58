"""The password of the administrator of an Azure Database for PostgreSQL, flexible server."""

from typing import ClassVar

from shared.rotators.administrator import Administrator


class PostgresPassword(Administrator):
    """See `Administrator`."""

    name: ClassVar[str] = "postgres-password"
    what: ClassVar[str] = "postgres"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.DBforPostgreSQL/flexibleServers/read",
        "Microsoft.DBforPostgreSQL/flexibleServers/write",
        "Microsoft.DBforPostgreSQL/locations/azureAsyncOperation/read",
    )
