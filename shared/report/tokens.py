"""
How long tokens that were issued before the block go on working: the residual-access clock in words.
"""

from shared.history import History
from shared.identity import IdentityKind
from shared.report.model import AccessTold, TokenLife
from shared.report.words import utc, utc_at_latest
from shared.residual import AT_GRAPH, BLOCK, GRACE, LONGEST, Access, is_cached, residual_of

__all__ = ["BLOCK", "tell_tokens"]

_ASSUMED = (
    "How fast Entra's token service follows a block is not published; these times allow five minutes for it. "
    "Look at the sign-in log for successful sign-ins after the block."
)


def tell_tokens(history: History) -> TokenLife:
    clock = residual_of(history)
    if clock.proven_at is None:
        return _not_known(clock.not_known or "the block is not proven")
    kind = history.identity.identity_kind if history.identity else None
    single, proven = kind == IdentityKind.OWN_SINGLE_TENANT, clock.proven_at
    says = [f"The block was proven at {utc(proven)}: no new tokens since then.", *map(_tell, clock.by_resource)]
    if single:
        at_once = utc_at_latest(proven + AT_GRAPH)
        says.append(
            "Where client and Microsoft Graph use continuous access evaluation, Graph refuses them at once, at the "
            f"latest from {at_once} on; removing a role or a grant is no such event. Such tokens live up to 24 hours: "
            f"should Graph miss the revocation, until {utc_at_latest(proven + GRACE + LONGEST)}."
        )
    return TokenLife(
        block_proven_at=proven,
        ordinary_until=max(access.usually for access in clock.by_resource),
        graph_until=proven + AT_GRAPH if single else None,
        longest_until=proven + GRACE + LONGEST if single or is_cached(kind) else None,
        not_known=None,
        says=(*says, _ASSUMED),
        surely_over=clock.surely_over,
        by_resource=tuple(map(_told, clock.by_resource)),
    )


def _not_known(why: str) -> TokenLife:
    return TokenLife(
        block_proven_at=None,
        ordinary_until=None,
        graph_until=None,
        longest_until=None,
        not_known=why,
        says=(f"Not known: {why}.",),
    )


def _told(access: Access) -> AccessTold:
    return AccessTold(
        resource=access.resource, usually_until=access.usually, surely_until=access.surely, why=access.why
    )


def _tell(access: Access) -> str:
    surely = utc_at_latest(access.surely)
    if access.usually == access.surely:
        return f"At {access.resource}: tokens already issued work no longer than {surely} ({access.why})."
    usually = utc_at_latest(access.usually)
    return f"At {access.resource}: usually no longer than {usually}, surely no longer than {surely} ({access.why})."
