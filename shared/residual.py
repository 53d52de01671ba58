"""
The residual-access clock: from when on no token that was issued before the cut can work, resource by resource. Pure.

Facts: an ordinary token lives 60 to 90 minutes and nothing revokes it, so blocked identities keep ARM, Key
Vault, Storage and Exchange until then. Only Microsoft Graph takes part in continuous access evaluation for
workloads, only for this tenant's single-tenant applications, and only with clients that ask for it: their
tokens live up to 24 hours, and a block (or a deletion, or high risk) reaches Graph at once to 15 minutes
later. Removing a role is no such event. A managed identity takes no part, and its tokens are cached for up
to 24 hours. A token lifetime policy may set up to 24 hours for any application; Cordon does not read those
policies, so the longest is what is sure. (Entra: continuous access evaluation for workload identities,
configurable token lifetimes, managed identity best practices.)

The clock starts when a read had *shown* the cut, not at the write, and starts again when somebody undid it. How
fast Entra's token service follows is not published, so a token of the minutes after the proof is reckoned with: it
lives as long as any other.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.audit import normalise_activity
from shared.chain import Line
from shared.entries import Applied, CounterMove, Intended, Rechecked, Verified
from shared.history import LAST_LOOK, History, StepStory, is_proof
from shared.identity import IdentityKind

GRACE = timedelta(minutes=5)  # after the proof a replica may still issue a token
ORDINARY = timedelta(minutes=90)
AT_GRAPH = timedelta(minutes=15)
LONGEST = timedelta(hours=24)
_LOGS_ARE_LATE = timedelta(minutes=10)  # those of vaults

BLOCK = "block-sign-in"
_EDITED = normalise_activity("Update service principal")

NO_BLOCK = "sign-in was not blocked, so new tokens may be issued at any time"
UNPROVEN = "the block is not proven by the newest look, so new tokens may still be issued"


@dataclass(frozen=True, slots=True)
class Access:
    """
    One kind of resource: when access usually ends, and when it has surely ended.

    `usually` rests on what the platform does by default; only `surely` holds whatever was configured.
    """

    resource: str
    usually: datetime
    surely: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Residual:
    """The clock of one identity. Without `proven_at` no bound can be given, and `not_known` says why."""

    proven_at: datetime | None
    not_known: str | None
    by_resource: tuple[Access, ...] = ()

    @property
    def surely_over(self) -> datetime | None:
        """From then on no token issued before the cut can work anywhere."""
        return max((access.surely for access in self.by_resource), default=None)


def residual_of(history: History) -> Residual:
    """The clock as the journal lets it be told."""
    blocks = [step for step in history.steps if step.planned and step.planned.action == BLOCK]
    if not any(step.lines for step in blocks):
        return Residual(None, NO_BLOCK)
    proven = [proven_since(step, history) for step in blocks]
    known = [time for time in proven if time is not None]
    if len(known) < len(proven):
        return Residual(None, UNPROVEN)
    proven_at, kind = max(known), history.identity.identity_kind if history.identity else None
    return Residual(proven_at, None, _by_resource(proven_at + GRACE, kind))


def is_cached(kind: str | None) -> bool:
    """Whether tokens may be cached for a day: managed identities, agents, and what is not known better."""
    return kind not in {k.value for k in IdentityKind} or kind in (IdentityKind.MANAGED_IDENTITY, IdentityKind.AGENT)


def last_look(kind: str | None) -> timedelta:
    """
    So long after a rotation was set off, or the identity was cut off again, it is looked for the last time who read
    what: by then no token is left.
    """
    return GRACE + LONGEST + _LOGS_ARE_LATE if is_cached(kind) else LAST_LOOK


def cut_since(history: History) -> datetime | None:
    """
    Since when no new token is reckoned with: the block is proven. Where it is not (again), that clock has not started,
    and this is when it was written or did not show last, so that whoever waits for its end goes on waiting. None:
    nothing was blocked.
    """
    blocks = {step.id for step in history.steps if step.lines and step.planned and step.planned.action == BLOCK}
    if not blocks:
        return None
    if (proven_at := residual_of(history).proven_at) is not None:
        return proven_at
    return max((line.record.time for line in history.lines if _is_in_doubt(line, blocks)), default=None)


def _is_in_doubt(line: Line, blocks: Set[str]) -> bool:
    match line.entry:
        case Rechecked(answer=answer):
            return answer != "held"
        case Intended() | Applied():
            return line.record.step in blocks
        case Verified() as look:
            return line.record.step in blocks and not is_proof(look)
        case _:
            return False


def _by_resource(last: datetime, kind: str | None) -> tuple[Access, ...]:
    """`last`: when a token may have been issued for the last time."""
    longest = last + LONGEST
    if is_cached(kind):
        why = "a managed identity's tokens are cached for up to 24 hours; assumed also where no figure is published"
        return (Access("every resource", longest, longest, why),)
    policy = "90 minutes by default; 24 hours if a token lifetime policy says so, which Cordon does not read"
    others = Access("Azure Resource Manager, Key Vault, Storage, Exchange and others", last + ORDINARY, longest, policy)
    if kind != IdentityKind.OWN_SINGLE_TENANT:
        return (Access("Microsoft Graph", last + ORDINARY, longest, policy), others)
    graph = "15 minutes if client and Graph evaluate access continuously, else as everywhere; not seen from outside"
    return (Access("Microsoft Graph", last + ORDINARY, longest, graph), others)


def proven_since(step: StepStory, history: History) -> datetime | None:
    """
    When the block was first proven after the last time that it was written or did not show, or that the log tells of
    an edit which may have lifted it for a while.

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
            case CounterMove(activity=activity, at=at) if normalise_activity(activity) == _EDITED:
                since = line.record.time if since is not None and at > since else since
            case Rechecked(answer=answer):
                since = since if answer == "held" or seen_in_this_look else None
                seen_in_this_look = False
            case _:
                pass
    return since if step.state == "held" else None
