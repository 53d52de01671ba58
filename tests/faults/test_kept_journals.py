"""Journals that earlier versions wrote are read, judged as they were then, and gone on from."""

from pathlib import Path

import pytest

from shared.entries import read_entry
from shared.incident import Status, status_of
from tests.faults.kept_journals import KeptJournal, all_kept, is_closed, keep, read_kept, resume

RESUMED = {Status.OPEN, Status.CONTAINING, Status.PROVING}


@pytest.mark.parametrize("path", all_kept(), ids=lambda path: f"{path.parent.name}-{path.stem}")
class TestKeptJournal:
    """One file that must never change."""

    def test_it_is_read_and_says_what_it_said(self, path: Path) -> None:
        """Every record is understood, and the status is what it was."""
        kept = read_kept(path)
        later = kept.records[-1].time.replace(microsecond=999_999)

        assert all(read_entry(record) for record in kept.records)
        assert status_of(kept.records, later) is kept.status

    def test_it_is_gone_on_from(self, path: Path) -> None:
        """What was begun is finished, and made once; what was at rest stays at rest."""
        kept = read_kept(path)

        status, ground = resume(kept)

        if not _goes_on(kept):
            assert status is kept.status
            return
        assert status is Status.CONTAINED
        assert not ground.realm.open_things()
        assert ground.vault.made <= 1


def _goes_on(kept: KeptJournal) -> bool:
    looked = any(record.kind == "rechecks-set" for record in kept.records)
    return kept.status in RESUMED or (kept.status is Status.CONTAINED and looked and not is_closed(kept.records))


def test_there_are_journals_of_each_status() -> None:
    """At several crash points, and of histories that ended otherwise."""
    statuses = {read_kept(path).status for path in all_kept()}

    assert statuses >= {*RESUMED, Status.CONTAINED, Status.NEEDS_ATTENTION, Status.AWAITING_APPROVAL, Status.WATCHED}


def test_keeping_never_writes_over_what_is_kept(tmp_path: Path) -> None:
    """A second set goes beside the first, under another name."""
    (tmp_path / "old").mkdir()

    with pytest.raises(FileExistsError):
        keep("old", tmp_path)
