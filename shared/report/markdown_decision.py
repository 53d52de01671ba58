"""The decision's grounds as Markdown: how far its ladder was climbed, and which credential is accused by what."""

from collections.abc import Iterator

from shared.entries import AccusationTold, LadderClimbed, SuspectTold
from shared.report.plain import code, plain

_PASSED = {"not-applicable": "not possible here", "not-enough": "not enough", "unknown": "not known to be enough"}
_NAMED = {
    "one": "One credential is named as the abused one",
    "several": "Several credentials are named as abused",
    "none": "Nothing names a credential as the abused one",
    "unknown": "Whether a credential is abused is not known",
}
_EXPLAINS = {
    True: ", and it alone explains everything that is suspicious",
    False: ", and no single one explains everything that is suspicious",
    None: ", and whether it alone explains everything cannot be told",
}


def ladder_lines(ladder: LadderClimbed | None) -> Iterator[str]:
    """The rung that was taken, those below it with the reason of each, and the accusation that they hang on."""
    if ladder is None:
        return
    yield ""
    yield "How far it was climbed (the first rung that ends the attack by what is known):"
    yield ""
    for each in ladder.passed:
        yield f"- **{plain(each.rung)}** was passed over, {_PASSED[each.kind]}: {plain(each.why)}"
    if ladder.rung is None:
        yield f"- No rung was taken: {plain(ladder.because)}"
    else:
        sure = "taken" if ladder.ends else "laid out, and a person is asked"
        yield f"- **{plain(ladder.rung)}** was {sure}: {plain(ladder.because)}"
    yield from _accusation(ladder.accusation)


def _accusation(told: AccusationTold) -> Iterator[str]:
    yield ""
    tail = _EXPLAINS[told.one_explains_all] if told.suspects else ""
    yield f"{_NAMED[told.named]}{tail}."
    yield ""
    for suspect in told.suspects:
        yield f"- {code(suspect.credential_id, 120)}{_where(suspect)}"
        yield from (
            f"  - {plain(ground.said)} ({ground.source} {code(ground.record, 120)})" for ground in suspect.grounds
        )
    yield from (f"- Not explained by it: {plain(each)}" for each in told.because)


def _where(suspect: SuspectTold) -> str:
    if suspect.holder is None:
        return ", which no object of the identity here holds (any more)"
    return f", a {suspect.type} of the {suspect.holder.replace('-', ' ')}"
