"""The stop switch as all instances share it."""

from shared.stop import StoredSwitch
from tests.fakes import password, payroll
from tests.stories.world import World, play


def test_what_one_instance_stops_is_stopped_for_all() -> None:
    """The switch lies in the store; its reason says who set it and when."""

    async def story(world: World) -> None:
        here, there = (StoredSwitch(world.store.documents, world.clock) for _ in range(2))
        before = await there.why_stopped()
        await here.set(stopped=True, reason="wrong target", by="night shift")
        stopped = await there.why_stopped()
        await there.set(stopped=False, reason="mended", by="day shift")

        assert before is None
        assert stopped is not None
        assert "night shift" in stopped
        assert "wrong target" in stopped
        assert await here.why_stopped() is None

    play(story, payroll(application=[password(1)]))
