"""
The network in front of Azure: azure-core's transport, with which a request goes out once.

Below the SDK's retries aiohttp has its own: what it calls idempotent, PUT among it, it sends a second time when the
server hangs up (`ClientSession._request`, from 3.10 on). In a vault that is a second version, and nobody hears of it.
Whether something may be repeated is known here and nowhere below.
"""

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport


class OneAttempt(AioHttpTransport):
    """Sends what it is given, once."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)  # type: ignore[reportUnknownMemberType] # azure-core leaves it untyped

    async def open(self) -> None:
        """aiohttp has no public name for this; a test against a server that hangs up tells when it is another."""
        await super().open()  # type: ignore[reportUnknownMemberType]
        session: Any = self.session
        session._retry_connection = False  # noqa: SLF001 - see above
