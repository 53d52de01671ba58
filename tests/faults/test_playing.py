"""`make faults` itself: it goes on where the engine breaks, and says how to see that again."""

import pytest

from tests.fakes import Crash
from tests.faults import playing
from tests.faults.__main__ import Shard, main
from tests.faults.checker import Violation
from tests.faults.chronicle import Chronicle
from tests.faults.fuzz import ENTRIES
from tests.faults.matrix import Outcome
from tests.faults.playing import BROKE, Tally, judge, tally

SEEDS = ("11", "12", "13")


def _calm(text: str) -> Outcome:
    return Outcome(Chronicle(), (), ())


def _breaks_at_twelve(text: str) -> Outcome:
    if text == "12":
        raise KeyError("not there")
    return _calm(text)


def _play(texts: tuple[str, ...]) -> tuple[Tally, list[str]]:
    told: list[str] = []
    return tally("histories", texts, told.append, play=_breaks_at_twelve), told


def test_what_breaks_the_engine_is_counted_and_the_run_goes_on() -> None:
    """An exception that is no error of ours is one violation among the others, not the end of all."""
    found, _ = _play(SEEDS)

    assert found.played == 3
    assert found.wrong == {BROKE: 1}


def test_what_broke_is_told_at_once_and_with_what_replays_it() -> None:
    """Whoever stops a long run has seen what it found."""
    _, (told,) = _play(SEEDS)

    assert "KeyError: 'not there', in _breaks_at_twelve" in told
    assert told.endswith("again: python -m tests.faults replay '12'")


def test_a_process_that_dies_where_nobody_expects_it_does_not_end_the_run() -> None:
    """The stand-in for a dead process is no Exception, so that nothing catches it; it counts all the same."""

    def dies(text: str) -> Outcome:
        raise Crash("one")

    assert [each.kind for each in judge("11", dies).violations] == [BROKE]


def test_a_history_that_does_not_reproduce_is_found() -> None:
    """Every tenth seed is played twice."""
    traces = iter((Chronicle(), Chronicle(truth=[(0.0, frozenset({"enabled"}))])))

    found = judge("20", lambda text: Outcome(next(traces), (), ()))

    assert [each.kind for each in found.violations] == ["does not reproduce"]


def test_several_processes_judge_what_one_would() -> None:
    """Each answer comes back with its own text, in order."""
    texts = [f"journal record:{number}" for number in range(6)]

    found = tally("inputs", texts, print, jobs=2)

    assert found.played == 6
    assert not found.wrong


def test_shards_are_the_whole_and_do_not_overlap() -> None:
    """Eight runs of an eighth are one whole run."""
    texts = list(map(str, range(21)))

    parts = [Shard.read(f"{number}/8").share(texts) for number in range(1, 9)]

    assert sorted((text for part in parts for text in part), key=int) == texts


@pytest.mark.parametrize("text", ["0/8", "9/8", "8", "x/y"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    """Rather than playing nothing and calling it green."""
    with pytest.raises(ValueError, match=r".*"):
        Shard.read(text)


def test_the_command_fails_and_says_why_where_a_history_breaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last words are how to see it again, and its exit code is one."""

    def breaks(random: object) -> None:
        raise KeyError("planted")

    monkeypatch.setitem(ENTRIES, "order", breaks)
    code = main(["--depth", "2", "--only", "inputs"])

    assert code == 1
    assert "again: python -m tests.faults replay 'order:1'" in capsys.readouterr().out


def test_progress_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run is no riddle."""
    monkeypatch.setattr(playing, "EVERY", -1.0)
    told: list[str] = []

    tally("histories", SEEDS, told.append, play=_calm)

    assert told[0].startswith("histories 1/3, ")
    assert told[0].endswith(" min left")


def test_a_violation_is_shown_as_the_checker_said_it() -> None:
    """Kind first, so that the table and the line agree."""
    found = judge("11", lambda text: Outcome(Chronicle(), (Violation("lost", "signal 7"),), ()))

    assert list(map(str, found.violations)) == ["lost: signal 7"]
