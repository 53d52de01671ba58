"""
A person's answer to secrets that wait: bound to the hash of the plan that was seen, good once, and for a while.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.chain import Chain, Stepped
from shared.entries import RotationApproved, RotationHeld, SecretStopped
from shared.errors import RequestConflicts, SequenceTaken
from shared.journal import MOST_AT_ONCE
from shared.rotation_story import APPROVAL_LIFE, RotationStory, Waiting, is_put_down


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says. `tiers`: of which of those that wait; None means all of them."""

    approved: bool
    tiers: tuple[int, ...] | None
    reason: str
    by: str


async def answer_rotation(
    chain: Chain, story: RotationStory | None, plan_hash: str, answer: Answer, now: datetime
) -> None:
    """
    Write the answer into the journal of the secrets. Raises RequestConflicts where nothing of this plan waits, where
    it has waited for too long, or where the work has gone on meanwhile.
    """
    waiting = [each for each in (story.waiting if story else ()) if each.plan_hash == plan_hash]
    if not waiting:
        raise RequestConflicts("No plan with this hash waits for an answer. Look at the incident again.")
    tiers = sorted({each.tier for each in waiting})
    if missing := sorted(set(answer.tiers or ()) - set(tiers)):
        listed = ", ".join(map(str, tiers))
        raise RequestConflicts(f"Nothing of tier {missing[0]} waits in this plan; tiers that wait: {listed}.")
    meant = [each for each in waiting if answer.tiers is None or each.tier in answer.tiers]
    if old := [each for each in meant if now >= each.expires]:
        await _show_again(chain, old)
    if answer.approved:
        await _approve(chain, plan_hash, meant, answer)
    else:
        await _decline(chain, meant, answer)


async def _approve(chain: Chain, plan_hash: str, meant: Sequence[Waiting], answer: Answer) -> None:
    """It may be written beside whoever is at work: what is under way ends, and the next slice knows it."""
    tiers = tuple(sorted({each.tier for each in meant}))
    await chain.write(RotationApproved(plan_hash=plan_hash, tiers=tiers, by=answer.by, reason=answer.reason))


async def _decline(chain: Chain, meant: Sequence[Waiting], answer: Answer) -> None:
    """Each secret of it is given up by name: what it opens stays open, and the rotation does not end whole."""
    steps = dict.fromkeys(step for each in meant for step in each.steps)
    stopped = SecretStopped(
        outcome="declined",
        reason=f"declined by {answer.by}: {answer.reason}",
        todo="Let its credential die by hand: the exposed value goes on opening what it opens.",
    )
    entries: list[Stepped] = [(stopped, step) for step in steps]
    await _write(chain, entries)


async def _show_again(chain: Chain, old: Sequence[Waiting]) -> None:
    """What was shown has grown old. It is put before people once more, and waits from now on."""
    entries: list[Stepped] = [(_held_again(each), None) for each in old]
    await _write(chain, entries)
    hours = int(APPROVAL_LIFE.total_seconds() // 3600)
    raise RequestConflicts(
        f"It has waited for more than {hours} hours, and what was shown may be so no more. It is shown again from now "
        "on: look at the report, then answer once more. Nothing was changed."
    )


def _held_again(each: Waiting) -> RotationHeld:
    todo = f"Look at the secrets in the report; let them go by approving plan {each.plan_hash}, tier {each.tier}."
    return RotationHeld.model_validate(
        {
            "by": each.by,
            "tier": each.tier,
            "plan_hash": each.plan_hash,
            "secrets": len(each.steps),
            "reason": each.reason,
            "todo": todo,
        }
    )


async def _write(chain: Chain, entries: Sequence[Stepped]) -> None:
    """Between two slices only: it would take the place of whoever is at work."""
    if not is_put_down(chain):
        raise RequestConflicts("Secrets are being rotated this very moment. Answer again in a few minutes.")
    try:
        for start in range(0, len(entries), MOST_AT_ONCE):
            await chain.write_each(entries[start : start + MOST_AT_ONCE], only_next=True)
    except SequenceTaken as taken:
        raise RequestConflicts("The rotation has gone on meanwhile. Look at the incident again.") from taken
