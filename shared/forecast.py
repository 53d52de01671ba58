"""
Who breaks by a plan: whoever got tokens as the identity lately, by credential and resource. Pure.

It is made for the person who decides on a plan, or after the identity was contained; the first cut never waits for it.
The sign-in log is late and forgets, so what it does not show is never called harmless.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from shared.case import CouldNotLook, IdentityState, Known, NotLooked, Part, SignIn, SignInLog
from shared.entries import Foreseen, Planned, PlannedStep, UseSeen
from shared.untrusted import NAME, one_line

LOG_WITHIN = 20.0  # seconds that a plan waits for the log at most, before it waits for a person
_MOST = 20  # uses that are listed, the busiest first
_ADDRESSES = 5
_CUTS = frozenset({"block-sign-in", "deactivate-application"})


def foresee(plan: Planned, part: Part[SignInLog], state: IdentityState | None, now: datetime) -> Foreseen:
    """What the plan would stop, by the sign-ins of the identity as the log holds them."""
    notes = tuple(_notes(plan, state))
    if isinstance(part, Known) and part.value.until is not None:
        notes = (*notes, f"The sign-in log is known until {part.value.until:%Y-%m-%d %H:%M} UTC only.")
    if isinstance(part, Known) and part.value.unread:
        notes = (*notes, f"{part.value.unread} record(s) of the sign-in log could not be read, and may be anybody's.")
    bare = Foreseen(plan_hash=plan.hash, read_at=now, notes=notes)
    if not isinstance(part, Known):
        return bare.model_copy(update={"not_known": f"It is not known who breaks, because {_why(part)}"})
    log = part.value
    used = [each for each in log.records if each.error_code == 0]
    told: dict[str, object] = {"since": log.since, "total": len(used)}
    if not used:
        told["not_known"] = (
            f"It is not known who breaks, because the sign-in log shows no token since {log.since:%Y-%m-%d %H:%M} UTC: "
            "it is up to half an hour late, and what signs in seldom may be older"
        )
    uses = sorted(_uses(used, plan), key=lambda use: (-use.count, use.credential_id or "", use.resource or ""))
    return bare.model_copy(update={**told, "uses": tuple(uses[:_MOST]), "more": max(0, len(uses) - _MOST)})


def not_asked(plan: Planned, why: str, now: datetime) -> Foreseen:
    """Nobody looked, and why."""
    return Foreseen(plan_hash=plan.hash, read_at=now, not_known=f"It is not known who breaks, because {why}")


def _uses(used: Sequence[SignIn], plan: Planned) -> Iterator[UseSeen]:
    grouped: dict[tuple[str | None, str | None], list[SignIn]] = defaultdict(list)
    for each in used:
        grouped[each.credential_id and each.credential_id.lower(), each.resource or each.resource_id].append(each)
    for (credential, resource), those in grouped.items():
        newest = sorted(those, key=lambda each: each.at, reverse=True)
        yield UseSeen(
            credential_id=one_line(credential, NAME) if credential else None,
            credential_type=_line(newest[0].credential_type),
            resource=_line(resource),
            count=len(those),
            share=round(len(those) / len(used), 4),
            last=newest[0].at,
            addresses=tuple(dict.fromkeys(one_line(e.address, NAME) for e in newest if e.address))[:_ADDRESSES],
            stops=_stops(credential, plan.steps),
        )


def _stops(credential: str | None, steps: Sequence[PlannedStep]) -> bool | None:
    """Whether these steps end it. Without its credential that cannot be told of a plan that takes only some away."""
    if any(step.action in _CUTS for step in steps):
        return True
    removals = [step for step in steps if step.action == "replace-credentials" and step.contains]
    if not removals:
        return False
    if all("only" not in step.options for step in removals):
        return True
    if credential is None:
        return None
    named = {str(id_).lower() for step in removals for id_ in _ids(step)}
    return credential in named


def _ids(step: PlannedStep) -> Sequence[object]:
    only = step.options.get("only")
    return only if isinstance(only, list) else ()


def _notes(plan: Planned, state: IdentityState | None) -> Iterator[str]:
    """What the identity's own sign-ins do not tell."""
    cut = any(step.action in _CUTS for step in plan.steps)
    if cut and state is not None and state.addresses is not None and state.addresses.identifier_uris:
        yield "It is an API too: tokens for it stop as well, and who calls it was not looked at."
    if any(step.action == "rotate-secrets" for step in plan.steps):
        yield "Others who read the secrets that are rotated are told with each secret, once it is known who."
    if any(
        step.action in ("remove-app-roles", "remove-delegated-grants", "remove-directory-roles") for step in plan.steps
    ):
        yield "Whoever gets tokens goes on getting them, with less in them: calls that need what is taken will fail."


def _line(text: str | None) -> str | None:
    return one_line(text, NAME) if text else None


def _why(part: NotLooked | CouldNotLook) -> str:
    return f"the sign-in log could not be read: {part.why}" if isinstance(part, CouldNotLook) else "nobody looked"
