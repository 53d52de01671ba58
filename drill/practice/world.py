"""What happens in the tenant without Cordon: the timeline of the scenario, and attackers."""

import asyncio
from dataclasses import dataclass

from drill.practice.attackers import Attacker
from drill.practice.timeline import Timeline


@dataclass(slots=True)
class World:
    """Timeline and attackers together."""

    timeline: Timeline
    attackers: list[Attacker]

    def start(self, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
        """Begin, as tasks of this group; they end when the scenario has nothing more to happen."""
        for attacker in self.attackers:
            attacker.prepare()
        running = [group.create_task(self.timeline.play(), name="practice timeline")]
        return running + [group.create_task(each.attack(), name=each.name) for each in self.attackers]
