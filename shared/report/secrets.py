"""
The exposed secrets: which, why, who read them, what was done with each and when, and what still stands open and
with whom. Told from the journal of the secrets and the lists that it points to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from shared.entries import ExposureFound, SecretsBegun, SecretsEnded, SecretsTurned, SecretVerified, WriteOutcome
from shared.history import History
from shared.report.model import (
    IdentityTold,
    ReaderTold,
    SecretsTold,
    SecretTold,
    StageTold,
    WaitingTold,
)
from shared.rotation_plan import PlannedSecret
from shared.rotation_progress import STAGES, Progress
from shared.rotation_story import SETTLED, RotationStory, State, Waiting, is_what_was_set_off
from shared.signal import JsonObject, JsonValue
from shared.views import LinkView, OpenSecretView, SecretsView, WaitingView

_SHOWN = 200  # open secrets in a view; the report has all


def tell_secrets(history: History, story: RotationStory | None, led_to: Mapping[str, str]) -> SecretsTold | None:
    """
    None if nobody asked for it. `led_to` gives the incident that an accusation opened, by the signal's record id.
    """
    if story is None and history.secrets is None:
        return SecretsTold(state="not-begun", said=_AHEAD) if history.lasting else None
    if story is None:
        return SecretsTold(state="begun", said="It was set off; nothing was looked at yet.")
    secrets = tuple(_secret(step, story) for step in story.steps)
    states = Counter(each.state for each in secrets)
    return SecretsTold(
        state=_state(history, story),
        said=_said(history),
        by_tier=dict(sorted(Counter(str(each.tier) for each in secrets if each.tier).items())),
        by_state=dict(sorted(states.items())),
        left_by_policy={str(tier): count for tier, count in sorted(story.left_by_policy.items())},
        looks=tuple(line.record.time for line in story.lines if isinstance(line.entry, ExposureFound)),
        looks_over=story.are_looks_over,
        unseen=(*story.unseen, *story.lost),
        accepted=story.accepted,
        missing=tuple(_missing(each) for each in story.missing),
        waiting=tuple(_waiting(each) for each in story.waiting),
        secrets=secrets,
        led_to=tuple(_accused(step, each.client_id, led_to.get(each.record_id)) for step, each in story.accused),
    )


_AHEAD = "It begins when the containing steps are proven: before that, the identity would read the new values as well."


def _state(history: History, story: RotationStory) -> str:
    match history.secrets:
        case SecretsEnded(whole=True):
            return "ended-whole"
        case SecretsEnded():
            return "ended-in-part"
        case SecretsTurned(state=state):
            return state
        case SecretsBegun() if story.ended is not None and is_what_was_set_off(story.begun, history.lines):
            return "ended-whole" if story.ended.whole else "ended-in-part"
        case _:
            return "working"


def _said(history: History) -> str:
    told = history.secrets
    return told.reason if isinstance(told, SecretsTurned | SecretsEnded) else "It was begun."


# One secret


def _secret(step: str, story: RotationStory) -> SecretTold:
    planned, progress = story.planned.get(step), story.progress.get(step, Progress())
    name = "/".join(step.split("/")[:2])
    exposed, state = story.exposed.get(name, {}), story.state_of(step)
    reads = exposed.get("reads")
    more = exposed.get("more_readers")
    return SecretTold(
        step=step,
        secret=name,
        tier=planned.tier if planned else _tier(exposed),
        why=planned.why if planned else str(exposed.get("why") or "not said"),
        state=state,
        rotator=planned.rotator if planned else None,
        source=planned.serves.resource or None if planned else None,
        key=planned.serves.key or None if planned else None,
        chosen_because=planned.serves.why if planned else None,
        exposed_versions=planned.exposed if planned else (),
        new_version=progress.version,
        read_by_identity=_reader(reads) if isinstance(reads, dict) else None,
        other_readers=tuple(_reader(each) for each in _objects(exposed.get("readers"))),
        more_readers=str(more) if more else None,
        stages=tuple(_stages(progress)),
        proof=_proof(progress.verified) if progress.verified else None,
        open=None if state in SETTLED else _open(step, state, story),
        todo=_todo(step, state, story),
    )


def _tier(exposed: JsonObject) -> int | None:
    tier = exposed.get("tier")
    return tier if isinstance(tier, int) else None


def _reader(read: JsonObject) -> ReaderTold:
    addresses = read.get("addresses")
    return ReaderTold(
        reader=str(read.get("reader")),
        first=datetime.fromisoformat(str(read["first"])),
        last=datetime.fromisoformat(str(read["last"])),
        count=int(cast("int", read.get("count") or 0)),
        addresses=tuple(str(each) for each in addresses) if isinstance(addresses, list) else (),
    )


_STAGES = {
    "made": "a new credential was made at its source",
    "published": "it was published as a new version",
    "retired": "the exposed credential was let die at its source",
    "disabled": "the exposed versions were disabled",
}


def _stages(progress: Progress) -> Iterator[StageTold]:
    for stage in STAGES:
        done = progress.done.get(stage)
        if done is not None:
            answers = "; ".join(write.outcome for write in done.writes if write.outcome != "accepted")
            again = (
                f"again at {at:%H:%M} UTC: {_answers(e.writes)}" for at, e in progress.repeated if e.stage == stage
            )
            note = "; ".join(filter(None, (done.note, answers, *again)))
            yield StageTold(stage=stage, at=progress.done_at[stage], said=_STAGES[stage], note=note or None)
        elif progress.intended == stage and progress.intended_at is not None:
            said = "it was begun, and its outcome is not known yet"
            yield StageTold(stage=stage, at=progress.intended_at, said=said, done=False)


def _proof(verified: SecretVerified) -> str:
    """An owner's word is none."""
    by_word = (verified.answer, verified.by) == ("held", "owner")
    return f"{'no more than a word' if by_word else verified.answer}: {verified.proof}"


def _answers(writes: Sequence[WriteOutcome]) -> str:
    return ", ".join(write.outcome for write in writes) or "nothing was left to do"


def _open(step: str, state: State, story: RotationStory) -> str:
    """What still opens something, and with whom it lies."""
    planned, progress = story.planned.get(step), story.progress.get(step, Progress())
    resource = planned.serves.resource if planned else ""
    opens = f"the exposed value opens {resource}" if resource else "the exposed value may work"
    match state:
        case "waits-for-approval":
            waits = next(each for each in story.waiting if step in each.steps)
            return f"{opens}; with a person: {waits.reason} Approve plan {waits.plan_hash}, tier {waits.tier}"
        case "with-owner":
            called = (
                ", and a person was called" if progress.escalated else ", who was reminded" if progress.reminded else ""
            )
            return f"{opens}; with its owner{called}: {progress.awaits.why if progress.awaits else ''}"
        case "waits-its-turn":
            return f"{opens}; with Cordon: {progress.yields.reason if progress.yields else ''}"
        case "in-grace":
            return f"{opens} until the grace is over; with Cordon"
        case "stopped" if progress.stopped is not None:
            return (
                f"{_unless_dead(opens, step, story)}; with a person: {progress.stopped.outcome}. "
                f"{progress.stopped.reason}"
            )
        case "spared":
            return f"{opens}; with a person: never touched by Cordon, because {story.spared[step]}"
        case "on-owners-word":
            said = progress.verified.proof if progress.verified else "its owner says that it is dead"
            return f"{said}; with a person, unless the policy accepts an owner's word"
        case "not-proven":
            return f"it is not proven dead: {progress.verified.proof if progress.verified else 'nobody could look'}"
        case "left":
            why = story.ended.reason if story.ended else ""
            return f"{_unless_dead(opens, step, story)}; with a person: {why}"
        case _:
            return f"{opens}; with Cordon"


def _unless_dead(opens: str, step: str, story: RotationStory) -> str:
    planned, progress = story.planned.get(step), story.progress.get(step, Progress())
    if planned is not None and "published" not in progress.done:
        if planned.keys == "one" and "made" in progress.done:
            return "its source took a new password that is in no vault"
        if planned.keys == "one" and progress.intended == "made" and progress.stopped is None:
            return "its source may have taken a new password that is in no vault: whoever did it was killed"
        if other := _died_with(planned, progress, story):
            return f"the exposed credential died with that of {other}, and whoever reads this secret gets a dead one"
    ours = planned is not None and planned.keys == "one" and progress.awaits is None
    if ours and "published" in progress.done and progress.verified is None:
        return (
            "its source took a new password, which the vault holds; nobody looked whether all that was exposed is dead"
        )
    seen = progress.verified is not None and (progress.verified.answer, progress.verified.by) == ("held", "read")
    dead = "retired" in progress.done and seen
    return "the exposed credential is dead, but not everything was finished" if dead else opens


def _todo(step: str, state: State, story: RotationStory) -> str | None:
    progress = story.progress.get(step, Progress())
    if progress.stopped is not None:
        return progress.stopped.todo
    if state == "with-owner" and progress.escalated:
        return "Ask its owner, who has not answered."
    return _TODO.get(state)


def _died_with(planned: PlannedSecret, progress: Progress, story: RotationStory) -> str | None:
    """Another secret of its source by which all that this one exposed is proven dead."""
    exposed = _exposed_at_source(progress)
    for step, other in story.planned.items():
        theirs = story.progress.get(step, Progress())
        seen = theirs.verified is not None and (theirs.verified.answer, theirs.verified.by) == ("held", "read")
        beside = step != planned.step and other.family is not None and other.family == planned.family
        if beside and seen and "retired" in theirs.done and exposed and exposed <= _exposed_at_source(theirs):
            return step
    return None


def _exposed_at_source(progress: Progress) -> frozenset[str]:
    """The keys or key ids that the source honoured when it was looked at first."""
    listed = (progress.before or {}).get("exposed")
    return frozenset(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else frozenset()


_TODO: Mapping[State, str] = {
    "spared": "Rotate it by hand.",
    "not-proven": "Look at its source whether the exposed credential still works.",
    "left": "Rotate it by hand, or order the incident again.",
}


# The rest


def _missing(read: JsonObject) -> str:
    secret = read.get("secret")
    ref = secret if isinstance(secret, dict) else {}
    return f"{ref.get('vault')}/{ref.get('name')}"


def _waiting(each: Waiting) -> WaitingTold:
    return WaitingTold(
        plan_hash=each.plan_hash,
        tier=each.tier,
        by=each.by,
        reason=each.reason,
        secrets=len(each.steps),
        since=each.since,
        expires=each.expires,
    )


def _accused(step: str, client: str, incident: str | None) -> IdentityTold:
    return IdentityTold(secret="/".join(step.split("/")[:2]), client_id=client, incident=incident)


def _objects(value: JsonValue) -> Sequence[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# In short


def view_of_secrets(told: SecretsTold) -> SecretsView:
    """The same in short: how many stand where, and what is open."""
    left = [each for each in told.secrets if each.open is not None]
    return SecretsView(
        state=told.state,
        said=told.said,
        by_tier=dict(told.by_tier),
        by_state=dict(told.by_state),
        unseen=told.unseen,
        missing=told.missing,
        waiting=tuple(
            WaitingView(
                plan_hash=each.plan_hash,
                tier=each.tier,
                by=each.by,
                reason=each.reason,
                secrets=each.secrets,
                expires_at=each.expires,
            )
            for each in told.waiting
        ),
        open=tuple(
            OpenSecretView(secret=each.step, tier=each.tier, state=each.state, why=each.open or "", todo=each.todo)
            for each in left[:_SHOWN]
        ),
        more_open=max(0, len(left) - _SHOWN),
    )


def links_to(told: SecretsTold) -> tuple[LinkView, ...]:
    """The incidents of identities whose credentials lay in the exposed secrets, each once."""
    found = {
        each.incident: LinkView(incident=each.incident, because=f"its credential lay in secret {each.secret}")
        for each in told.led_to
        if each.incident is not None
    }
    return tuple(found.values())
