"""
The sign-in log as a witness of the cut: somebody tried to get a token after it, and was refused or was not.

Nobody tries on Cordon's behalf; it holds no credential of the identity. A refusal with the code of a disabled
identity shows the cut at work (grade `probed`). A token that was issued after the cut's proof shows a hole: it is
a new one, for the log tells of issuance, and what was issued before lives on without being in it. That nothing is
in the log shows neither.

How fast Entra's token service follows a block is not published, and its clock is not ours, so tokens of the first
minutes after the proof are told and not taken for a hole. The log is 15 to 30 minutes late (facts: Graph docs
signin-list, latency of reports), so it is read at the late looks only, and the last half hour is never in it.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from shared.case import SignIn
from shared.entries import Escalated, PlannedStep, SignInsSeen, TokenIssued
from shared.errors import CordonError
from shared.evidence import CUTS
from shared.history import History
from shared.identity import IdentityKind, PrincipalId
from shared.residual import GRACE, proven_since
from shared.tenant import Feeds, SignInType
from shared.untrusted import NAME, one_line

LOOKS = frozenset({4, 5})  # the places in the schedule that are late enough: 15 and 95 minutes
DISABLED = 7000112  # the application or its service principal is disabled

_ISSUED = 0
_SHOWN = 5
_PAGES = 10


async def look_at_sign_ins(
    feeds: Feeds, history: History, series: int, number: int, read_at: datetime
) -> SignInsSeen | None:
    """What the log tells of the cuts that are proven now; None if there is no such cut."""
    proven = [(step.id, since) for step in history.steps if (since := _cut_since(step.planned, step.id, history))]
    if not proven or history.identity is None:
        return None
    since = min(time for _, time in proven)
    bare = SignInsSeen(
        series=series,
        number=number,
        steps=tuple(step for step, _ in proven),
        since=since,
        grace_until=since + GRACE,
        read_at=read_at,
        error_code=DISABLED,
    )
    identity = history.identity
    type_: SignInType = (
        "managedIdentity" if identity.identity_kind == IdentityKind.MANAGED_IDENTITY else "servicePrincipal"
    )
    return await _read(feeds, PrincipalId(identity.principal_id), type_, bare)


def _cut_since(planned: PlannedStep | None, step: str, history: History) -> datetime | None:
    if planned is None or planned.action not in CUTS:
        return None
    return next(proven_since(story, history) for story in history.steps if story.id == step)


async def _read(feeds: Feeds, principal: PrincipalId, type_: SignInType, bare: SignInsSeen) -> SignInsSeen:
    """Holes first. What could not be read is said, and takes nothing away from what was."""
    told = await _issued(feeds.sign_ins(principal, type_, _ISSUED, bare.since), bare)
    if told.not_checkable and not told.issued:
        return told
    try:
        return await _refused(feeds.sign_ins(principal, type_, DISABLED, bare.since), told)
    except CordonError as error:
        return told.model_copy(update={"not_checkable": told.not_checkable or str(error)})


async def _issued(pages: AsyncIterator[Sequence[SignIn]], told: SignInsSeen) -> SignInsSeen:
    """What came before an error counts: a token is a hole, whatever the records after it are."""
    late, early, read = list[SignIn](), 0, 0
    try:
        async for page in pages:
            late += [each for each in page if each.at > told.grace_until]
            early += sum(1 for each in page if each.at <= told.grace_until)
            read += 1
            if late and read >= _PAGES:
                break
    except CordonError as error:
        told = told.model_copy(update={"not_checkable": str(error)})
    tokens = tuple(_token(each) for each in sorted(late, key=lambda each: each.at, reverse=True)[:_SHOWN])
    return told.model_copy(update={"issued": len(late), "tokens": tokens, "issued_in_grace": early})


async def _refused(pages: AsyncIterator[Sequence[SignIn]], told: SignInsSeen) -> SignInsSeen:
    """One attempt shows as much as a thousand: the first page that holds any is enough."""
    async for page in pages:
        if page:
            return told.model_copy(update={"refused": len(page), "refused_at": max(each.at for each in page)})
    return told


def _token(sign_in: SignIn) -> TokenIssued:
    return TokenIssued(
        at=sign_in.at,
        address=_line(sign_in.address),
        credential_id=_line(sign_in.credential_id),
        credential_type=_line(sign_in.credential_type),
        resource=_line(sign_in.resource),
    )


def _line(text: str | None) -> str | None:
    return one_line(text, NAME) if text else None


def tell_token(token: TokenIssued) -> str:
    """One token, as a person reads it."""
    kind = f" ({token.credential_type})" if token.credential_type else ""
    return (
        f"a token was issued at {token.at:%Y-%m-%d %H:%M:%S} UTC, to address {token.address or 'not told'}, with "
        f"credential {token.credential_id or 'not told'}{kind}, for {token.resource or 'a resource that is not told'}"
    )


def call_for(seen: SignInsSeen) -> Escalated:
    """The call for a person when tokens were issued in spite of the cut."""
    more = f" It is the newest of {seen.issued}." if seen.issued > 1 else ""
    return Escalated(
        reason=(
            f"After the cut was proven ({seen.since:%Y-%m-%d %H:%M:%S} UTC, and {GRACE.seconds // 60} minutes of "
            f"grace) {tell_token(seen.tokens[0])}.{more} Reads show the cut in place; it is made once more."
        ),
        todo=(
            "Find out in the audit log whether somebody let the identity sign in between two looks, and contain who "
            "did. Take the tokens for live, up to 24 hours, and close what they reach. If nobody did, "
            "Entra does not keep the block: delete the application, and tell Microsoft."
        ),
    )
