"""What a bystander of a drill hears about exposed secrets."""

from datetime import UTC, datetime

from drill.narrator import Narrator
from shared.entries import (
    Entry,
    ExposureFound,
    IdentityAccused,
    RotationApproved,
    RotationEnded,
    RotationHeld,
    RotationPlanned,
    SecretAwaits,
    SecretDone,
    SecretFailed,
    SecretRepeated,
    SecretStopped,
    SecretVerified,
    SecretYields,
    WriteOutcome,
)
from shared.journal import NO_RECORD, IncidentId, seal

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def _told(*entries: Entry, step: str | None = None) -> list[str]:
    lines: list[str] = []
    narrator = Narrator(lines.append, lambda: NOW, {})
    records = [
        seal(
            IncidentId("20260302-000000000000.secrets"), place, NOW, e.kind, step, e.model_dump(mode="json"), NO_RECORD
        )
        for place, e in enumerate(entries)
    ]
    narrator.tell_records(records)
    return [line.removeprefix("03:00:00Z  Cordon   ") for line in lines]


def test_what_was_found_and_what_nobody_could_see_is_told() -> None:
    """A gap is as much worth a line as a find."""
    told = _told(
        ExposureFound(
            number=1, evidence="0" * 64, secrets={"1": 2, "3": 4}, unseen=("the secrets of vault shop: 403",)
        ),
        RotationPlanned(
            hash="a" * 64, evidence="0" * 64, rotators={"delegated": 2}, spared={"own/key": "Cordon's own"}
        ),
    )

    assert told == [
        "looks who read what (look 1): 2 of tier 1, 4 of tier 3",
        "could not see the secrets of vault shop: 403",
        "plans to rotate 2 by delegated",
        "own/key is never touched: Cordon's own",
    ]


def test_what_waits_for_people_is_told_and_who_let_it_go() -> None:
    """Tier, number, reason; then the name that the person gave."""
    told = _told(
        RotationHeld(by="approval", tier=3, secrets=4, reason="The policy asks a person."),
        RotationApproved(plan_hash="a" * 64, tiers=(3,), by="on call", reason="seen"),
    )

    assert told == [
        "holds back 4 secret(s) of tier 3, by approval: The policy asks a person.",
        "tier 3 of plan aaaaaaaaaaaa is let go by on call: seen",
    ]


def test_a_secret_is_followed_from_the_new_credential_to_the_end_of_the_old_one() -> None:
    """Two lines where all goes well: what stands in the vault, and that the exposed one is dead."""
    told = _told(
        SecretDone(stage="made"),
        SecretDone(stage="published", version="f" * 32),
        SecretFailed(stage="retired", reason="Azure is busy."),
        SecretDone(stage="retired"),
        SecretRepeated(stage="retired", writes=(WriteOutcome(write="make key1 new", outcome="accepted"),)),
        SecretVerified(answer="held", proof="no key is the exposed value any more"),
        SecretDone(stage="disabled"),
        step="shop/storage-key",
    )

    assert told == [
        "shop/storage-key: a new credential stands in the vault",
        "shop/storage-key: is tried again before it is let die: Azure is busy.",
        "shop/storage-key: is let die once more: accepted",
        "shop/storage-key: the exposed credential is dead: no key is the exposed value any more",
        "shop/storage-key: the exposed versions are disabled",
    ]


def test_what_is_left_to_others_is_told_with_what_they_must_do() -> None:
    """An owner who is asked, another identity that is looked at, a stop, and an end that is not whole."""
    told = _told(
        SecretAwaits(why="its owner was asked", look_again=60, remind_at=NOW, escalate_at=NOW),
        SecretYields(to="another", reason="incident another rotates what comes from acct01"),
        IdentityAccused(client_id="c1", record_id="r1"),
        SecretStopped(outcome="permission-missing", reason="Not allowed.", todo="Allow it."),
        RotationEnded(whole=False, reason="1 stopped"),
        step="shop/partner-key",
    )

    assert told == [
        "shop/partner-key: waits for somebody else: its owner was asked",
        "shop/partner-key: waits its turn: incident another rotates what comes from acct01",
        "shop/partner-key holds a credential of client c1: that identity is looked at too",
        "shop/partner-key stops, permission-missing: Not allowed. To do: Allow it.",
        "ends the rotation, with something left: 1 stopped",
    ]
