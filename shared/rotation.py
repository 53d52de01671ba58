"""
The rotation of what an identity exposed: found, planned, and made worthless in the order of the tiers.

It is worked in slices of bounded time, in a journal of its own beside the incident's. Each slice can be killed on
any line: the message that goes on was sent before it began, and the journal says what was meant and what was done.
"""

from shared.chain import Chain
from shared.journal import IncidentId
from shared.work import Desk

_SUFFIX = ".secrets"


def secrets_of(incident: IncidentId) -> IncidentId:
    """The id under which the journal of an incident's secrets lies."""
    return IncidentId(f"{incident}{_SUFFIX}")


class Rotation:
    """One instance's work on the exposed secrets of one incident."""

    def __init__(self, desk: Desk, incident: Chain) -> None:
        self._desk, self._incident = desk, incident

    async def advance(self) -> None:
        """
        Work for one slice: look who read what, plan, carry out what may be; then say when it goes on.

        Called again and again by its own messages until it has ended. Raises RivalActs where another instance is
        at it.
        """
        raise NotImplementedError
