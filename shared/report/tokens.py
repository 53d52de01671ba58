"""
How long tokens that were issued before the block go on working.

Facts: an ordinary token lives 60 to 90 minutes and nothing revokes it, so blocked identities keep ARM, Key
Vault, Storage and Exchange until then. Only Microsoft Graph takes part in continuous access evaluation for
workloads, only for this tenant's single-tenant applications, and only with clients that ask for it: their
tokens live up to 24 hours, and a block reaches Graph at once to 15 minutes later. A managed identity takes
no part, and its tokens are cached for up to 24 hours. (Entra: continuous access evaluation for workload
identities, configurable token lifetimes, managed identity best practices.)

Everything counts from the moment at which a read had shown the block, so that no end is told too early.
"""

from datetime import datetime, timedelta

from shared.entries import Intended, Rechecked, Verified
from shared.history import History, StepStory, is_proof
from shared.identity import IdentityKind
from shared.report.model import TokenLife
from shared.report.words import utc, utc_at_latest

ORDINARY = timedelta(minutes=90)
AT_GRAPH = timedelta(minutes=15)
LONGEST = timedelta(hours=24)

BLOCK = "block-sign-in"

_ASSUMED = (
    "How fast Entra's token service follows a block is not published; these times assume that it follows at once. "
    "Look at the sign-in log for successful sign-ins after the block."
)


def tell_tokens(history: History) -> TokenLife:
    blocks = [step for step in history.steps if step.planned and step.planned.action == BLOCK]
    if not any(step.lines for step in blocks):
        return _not_known("sign-in was not blocked, so new tokens may be issued at any time")
    proven = [_proven_since(step, history) for step in blocks]
    known = [time for time in proven if time is not None]
    if len(known) < len(proven):
        return _not_known("the block is not proven by the newest look, so new tokens may still be issued")
    return _count_from(max(known), history.identity.identity_kind if history.identity else None)


def _not_known(why: str) -> TokenLife:
    return TokenLife(
        block_proven_at=None,
        ordinary_until=None,
        graph_until=None,
        longest_until=None,
        not_known=why,
        says=(f"Not known: {why}.",),
    )


def _proven_since(step: StepStory, history: History) -> datetime | None:
    """
    When the block was first proven after the last time that it was written or did not show.

    The time is that of the record, which is later than the read itself.
    """
    since, seen_in_this_look = None, False
    for line in history.lines:
        match line.entry:
            case Intended() if line.record.step == step.id:
                since = None
            case Verified() as look if line.record.step == step.id:
                seen_in_this_look = is_proof(look)
                since = (since or line.record.time) if seen_in_this_look else None
            case Rechecked(answer=answer):
                since = since if answer == "held" or seen_in_this_look else None
                seen_in_this_look = False
            case _:
                pass
    return since if step.state == "held" else None


def _count_from(proven: datetime, kind: str | None) -> TokenLife:
    cached = kind not in {k.value for k in IdentityKind} or kind in (IdentityKind.MANAGED_IDENTITY, IdentityKind.AGENT)
    single = kind == IdentityKind.OWN_SINGLE_TENANT
    ordinary = proven + (LONGEST if cached else ORDINARY)
    says = [f"The block was proven at {utc(proven)}: no new tokens since then.", _ordinary(ordinary, cached=cached)]
    if single:
        says += _at_graph(proven)
    return TokenLife(
        block_proven_at=proven,
        ordinary_until=ordinary,
        graph_until=proven + AT_GRAPH if single else None,
        longest_until=proven + LONGEST if single or cached else None,
        not_known=None,
        says=(*says, _ASSUMED),
    )


def _ordinary(until: datetime, *, cached: bool) -> str:
    if cached:
        return (
            f"Tokens already issued work no longer than {utc_at_latest(until)}: a managed identity's are cached "
            "for up to 24 hours, and nothing revokes them; 24 hours are assumed also where no figure is published."
        )
    return (
        f"Ordinary tokens already issued work no longer than {utc_at_latest(until)} (they live 60 to 90 minutes; "
        "90 are assumed): until then at Azure Resource Manager, Key Vault, Storage and Exchange."
    )


def _at_graph(proven: datetime) -> list[str]:
    return [
        (
            "Where client and Microsoft Graph use continuous access evaluation, Graph refuses them at once, at the "
            f"latest from {utc_at_latest(proven + AT_GRAPH)} on."
        ),
        f"Such tokens live up to 24 hours: should Graph miss the revocation, until {utc_at_latest(proven + LONGEST)}.",
    ]
