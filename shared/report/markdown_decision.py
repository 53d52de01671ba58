"""A decision's grounds as Markdown: ladder, accused credential, what speaks for and against it; and who breaks."""

from collections.abc import Iterator

from shared.entries import AccusationTold, Flip, Foreseen, LadderClimbed, SuspectTold, UseSeen, WeighedUp
from shared.report.plain import code, plain
from shared.report.words import utc

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
    if told.compared:
        yield f"- What was compared: {plain(told.compared)}; whoever was in before that passes for usual."


def _where(suspect: SuspectTold) -> str:
    if suspect.holder is None:
        return ", which no object of the identity here holds (any more)"
    return f", a {suspect.type} of the {suspect.holder.replace('-', ' ')}"


def weighed_lines(weighed: WeighedUp | None) -> Iterator[str]:
    """For the person who has to agree: nothing of it changed the verdict."""
    if weighed is None:
        return
    yield from _listed("What speaks for it:", weighed.reasons_for, "Nothing but the order.")
    yield from _listed("What speaks against it:", weighed.against, "Nothing that is known.")
    flips = tuple(map(_flip, weighed.flips))
    yield from _listed("What would turn it (each alone):", flips, "No single answer of a condition.")
    yield from _listed("What could not be known:", weighed.unknown, "Nothing that was asked for.")


def _listed(head: str, texts: tuple[str, ...], none: str) -> Iterator[str]:
    yield ""
    yield head
    yield ""
    yield from (f"- {plain(text)}" for text in texts or (none,))


def _flip(flip: Flip) -> str:
    said = {"met": "held", "not-met": "did not hold", "unknown": "is not known"}
    verdict = "more would be read" if flip.verdict == "open" else f"the verdict would be {flip.verdict}"
    return f"if {flip.condition} {said[flip.supposed]} (it {said[flip.now]}): {verdict}, by rule {flip.rule}"


def forecast_lines(told: Foreseen | None) -> Iterator[str]:
    """Who got tokens lately, and whether the plan ends that. What the log does not show is never called nobody."""
    if told is None:
        yield "Not read: it is read when a plan waits for a person, and after an identity was contained."
        return
    if told.not_known:
        yield f"{plain(told.not_known)}."
    if told.uses:
        since = f" since {utc(told.since)}" if told.since else ""
        yield f"Tokens that were issued to the identity{since}, {told.total} in all, read {utc(told.read_at)}:"
        yield ""
        yield "| Credential | Resource | Tokens | Share | Last | From | Ends by this plan |"
        yield f"|{'---|' * 7}"
        yield from map(_use, told.uses)
    if told.more:
        yield ""
        yield f"{told.more} more are not listed."
    yield from (f"- {plain(note)}" for note in told.notes)


_ENDS = {True: "**yes**", False: "no", None: "not known"}


def _use(use: UseSeen) -> str:
    credential = code(use.credential_id, 120) if use.credential_id else "not told"
    where = ", ".join(code(each, 60) for each in use.addresses) or "not told"
    resource = plain(use.resource, 120) if use.resource else "not told"
    cells = (credential, resource, str(use.count), f"{use.share:.0%}", utc(use.last), where, _ENDS[use.stops])
    return f"| {' | '.join(cells)} |"
