"""
What an action offers for undo when what it does cannot be taken back by writing: it says so, and what is done instead.
"""

from typing import ClassVar

from shared.actions.interface import Applied, Earlier, Proof, WayBack
from shared.entries import PlannedStep
from shared.look import Look
from shared.signal import JsonObject
from shared.tenant import Tenant


class NoWayBack:
    """For an entry of the catalogue without a way back; `lost` tells why, and what is done instead."""

    lost: ClassVar[str]

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        return WayBack((), {}, lost=(self.lost,))

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        return Applied(())

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        return Proof("held", "nothing was to be put back")
