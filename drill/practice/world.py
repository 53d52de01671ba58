"""What happens in the tenant without Cordon: the timeline, attackers, workloads, consumers of secrets, their owners."""

import asyncio
from dataclasses import dataclass

from drill.practice.attackers import Attacker
from drill.practice.consumers import Consumer
from drill.practice.owners import Owner
from drill.practice.timeline import Timeline
from drill.practice.workloads import Workload


@dataclass(slots=True)
class World:
    """All of them together."""

    timeline: Timeline
    attackers: list[Attacker]
    consumers: list[Consumer]
    owners: list[Owner]
    workloads: list[Workload]

    def start(self, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
        """Begin, as tasks of this group; all but the timeline go on until cancelled."""
        for attacker in self.attackers:
            attacker.prepare()
        running = [group.create_task(self.timeline.play(), name="practice timeline")]
        running += [group.create_task(each.attack(), name=each.name) for each in self.attackers]
        running += [group.create_task(each.live(), name=each.name) for each in self.consumers]
        running += [group.create_task(each.work(), name=each.name) for each in self.workloads]
        return running + [group.create_task(each.work(), name=f"owner:{each.name}") for each in self.owners]
