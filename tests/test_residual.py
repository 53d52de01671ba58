"""The residual-access clock: never early, by resource, and started anew by whoever undoes the cut."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.history import History
from shared.identity import IdentityKind
from shared.residual import GRACE, LONGEST, ORDINARY, Residual, residual_of
from tests.report.journals import (
    At,
    applied,
    beginning,
    done,
    identity,
    intended,
    investigated,
    journal,
    planned,
    rechecked,
    verified,
)

BLOCK = "1-block-sign-in"
ROUNDS = st.lists(
    st.sampled_from(["held", "not-held", "unknown", "write", "recheck-held", "recheck-lost"]), max_size=12
)


def _clock(*entries: object, kind: str = "own-single-tenant") -> Residual:
    begun = [*beginning(), investigated(identity(kind=kind)), planned(BLOCK)]
    return residual_of(History.read(journal(begun, *entries)))  # pyright: ignore[reportArgumentType]


def test_the_clock_starts_at_the_proof_and_not_at_the_write() -> None:
    """Between write and proof tokens may still have been issued."""
    clock = _clock(intended(BLOCK, at=3), applied(BLOCK, at=4), verified(BLOCK, at=60))
    records = journal([*beginning(), planned(BLOCK), verified(BLOCK, at=60)])

    assert clock.proven_at == records[-1].time
    assert clock.surely_over == records[-1].time + GRACE + LONGEST


def test_every_resource_has_its_own_end() -> None:
    """Graph and the others usually end after 90 minutes; a policy that Cordon does not read may make it 24 hours."""
    clock = _clock(*done(BLOCK))
    assert clock.proven_at is not None

    assert {a.resource.split()[0]: a.usually - clock.proven_at for a in clock.by_resource} == {
        "Microsoft": GRACE + ORDINARY,
        "Azure": GRACE + ORDINARY,
    }
    assert all(a.surely - clock.proven_at == GRACE + LONGEST for a in clock.by_resource)


def test_a_token_that_a_slow_replica_issued_after_the_proof_is_dead_when_the_end_is_told() -> None:
    """The witness lets such tokens pass for five minutes; the clock reckons with the last of them."""
    clock = _clock(*done(BLOCK))
    assert clock.proven_at is not None
    assert clock.surely_over is not None

    assert clock.surely_over >= clock.proven_at + timedelta(minutes=5) + timedelta(hours=24)


def test_a_managed_identity_keeps_its_tokens_for_a_day() -> None:
    """The platform caches them, and nothing revokes them."""
    (access,) = _clock(*done(BLOCK), kind=IdentityKind.MANAGED_IDENTITY).by_resource

    assert access.usually == access.surely


def test_whoever_undoes_the_cut_starts_the_clock_anew() -> None:
    """What was proven before counts no more; until the next proof no end is told."""
    undone = (*done(BLOCK), verified(BLOCK, "not-held", at=300), rechecked(2, "not-held", at=301))
    again = (intended(BLOCK, 2, at=302), applied(BLOCK, round_=2, at=303), verified(BLOCK, round_=2, at=304))
    first, second = _clock(*done(BLOCK)), _clock(*undone, *again)

    assert _clock(*undone).surely_over is None
    assert first.proven_at is not None
    assert second.proven_at is not None
    assert second.proven_at > first.proven_at


@given(ROUNDS)
def test_no_end_is_ever_told_too_early(rounds: list[str]) -> None:
    """
    The end is never before the last moment at which a token may have been issued, plus its longest life. That
    moment is the newest record after which the block was not seen to stand: a write, a failed look, a lost one.
    """
    entries: list[At] = []
    open_until: datetime | None = None
    places: list[tuple[int, bool]] = []
    for n, what in enumerate(rounds):
        at = 10.0 + 10 * n
        match what:
            case "write":
                entries += [intended(BLOCK, n + 1, at=at), applied(BLOCK, round_=n + 1, at=at + 1)]
            case "recheck-held" | "recheck-lost":
                entries.append(rechecked(1, "held" if what == "recheck-held" else "not-held", at=at))
            case _:
                entries.append(verified(BLOCK, what, at=at))
        places.append((len(entries), what in ("write", "not-held", "unknown")))
    clock = _clock(*entries)
    begun = [*beginning(), investigated(identity()), planned(BLOCK)]
    records = journal(begun, *entries)
    offset = len(records) - len(entries)
    for count, is_open in places:
        if is_open and count:
            open_until = records[offset + count - 1].time

    if clock.surely_over is not None and open_until is not None:
        assert clock.surely_over >= open_until + LONGEST
    if clock.proven_at is not None:
        assert any(what == "held" for what in rounds)
        assert all(a.usually >= clock.proven_at + timedelta(minutes=90) for a in clock.by_resource)
