"""One of the two keys of an Azure Cache for Redis."""

from typing import ClassVar

from shared.rotators.two_keys import TwoKeys


class RedisKey(TwoKeys):
    """See `TwoKeys`."""

    name: ClassVar[str] = "redis-key"
    what: ClassVar[str] = "redis"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.Cache/redis/read",
        "Microsoft.Cache/redis/listKeys/action",
        "Microsoft.Cache/redis/regenerateKey/action",
    )
