"""A bounded part of the matrix, of pairs of faults and of random histories; `make faults` plays more of them."""

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from shared.actions import ACTIONS
from tests.faults.attacks import DEPTH
from tests.faults.gate import KINDS
from tests.faults.ground import reference_actions
from tests.faults.histories import play_seed
from tests.faults.matrix import Cell, Strike, cells, pairs, play_cell, record, record_secrets, record_undo
from tests.faults.realm import APART, CLOSES

FLOOR = Path(__file__).with_name("floor.json")  # raised on purpose, with the commit that adds the cells


def _by_kind(all_: Iterable[Cell]) -> list[Cell]:
    """So that each stride through them meets every kind of fault, however many calls there are."""
    return sorted(all_, key=lambda cell: cell.strikes[0].kind)


@pytest.mark.parametrize("part", range(2))
def test_a_sample_of_the_matrix_is_green(part: int) -> None:
    """Every kind of fault, spread over all calls, with the same instance and with a rival going on."""
    chosen = _by_kind(cells(record()))[part * 65 :: max(1, 131 // DEPTH)]

    wrong = [f"{cell}: {violation}" for cell in chosen for violation in play_cell(cell).violations]

    assert len({cell.strikes[0].kind for cell in chosen}) >= len(KINDS) - 3
    assert wrong == []


def test_a_sample_of_the_undo_is_green() -> None:
    """A person orders the way back of the reference history, and a fault strikes while it is carried out."""
    chosen = _by_kind(cells(record_undo(), undo=True))[:: max(1, 149 // DEPTH)]

    wrong = [f"{cell}: {violation}" for cell in chosen for violation in play_cell(cell).violations]

    assert len({cell.strikes[0].kind for cell in chosen}) >= len(KINDS) // 2
    assert wrong == []


def test_the_matrix_does_not_shrink() -> None:
    """A step that silently leaves the reference plan, or its undo, would take its cells along."""
    calls, back, read, floor = record(), record_undo(), record_secrets(), json.loads(FLOOR.read_text())

    assert len(calls) >= floor["calls"]
    assert len(list(cells(calls))) >= floor["cells"]
    assert len(back) >= floor["undo_calls"]
    assert len(list(cells(back, undo=True))) >= floor["undo_cells"]
    assert len(read) >= floor["secrets_calls"]
    assert len(list(cells(read, secrets=True))) >= floor["secrets_cells"]


def test_every_action_is_in_the_matrix_or_apart_on_purpose() -> None:
    """A new action joins by itself, and whoever adds it has to say what it closes."""
    known = {*reference_actions(), *APART, "cut-vault-access"}  # that one is in the matrix of secrets

    assert {action.name for action in ACTIONS} <= known
    assert set(reference_actions()) <= set(CLOSES)


def test_a_journal_that_refuses_records_does_not_fill_the_queue() -> None:
    """Each failed message comes back five times; if each sent another one, there would be no end to them."""
    refused = next(call for call in record() if call.name == "journal append verified")

    outcome = play_cell(Cell((Strike(refused.number, "403-from-here"),), "same"))

    assert outcome.violations == ()
    assert sum(1 for call in outcome.calls if call.name == "queue send resumed") < 40


def test_two_faults_at_once_are_borne() -> None:
    """Pairs from a seed: the second fault may strike the recovery from the first."""
    chosen = list(islice(pairs(record(), 1), 8 * DEPTH))

    wrong = [f"{cell}: {violation}" for cell in chosen for violation in play_cell(cell).violations]

    assert wrong == []


def test_random_histories_are_borne() -> None:
    """Two instances, attacks, throttling, lag, duplicates, the switch."""
    wrong = [f"{seed}: {violation}" for seed in range(7 * DEPTH) for violation in play_seed(seed).violations]

    assert wrong == []


@pytest.mark.parametrize("seed", [1_000_049, 1_000_286, 77_000_004, 78_000_291])
def test_a_history_that_once_went_wrong_is_borne(seed: int) -> None:
    """
    An undo came so soon that a replica still showed what had been taken, and nothing was brought back. A certificate
    went whose public part nobody could read, and its honest loss was held against the undo. An old look came late,
    within the race window of newer writes, and was taken for their proof; and another came before its time.
    """
    assert play_seed(seed).violations == ()


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_a_seed_leaves_the_same_trace_each_time(seed: int) -> None:
    """What failed once can be looked at again."""
    assert play_seed(seed).chronicle.digest() == play_seed(seed).chronicle.digest()


def test_a_cell_is_told_and_read_again() -> None:
    """What a failure prints is what replays it."""
    cell = next(iter(pairs(record(), 2)))
    undone = replace(cell, undo=True)

    assert Cell.read(str(cell)) == cell
    assert Cell.read(str(undone)) == undone


def test_a_sample_of_the_rotation_is_green() -> None:
    """An identity has read a secret, and a fault strikes while what it exposed is rotated, in three tiers."""
    chosen = list(cells(record_secrets(), secrets=True))[:: max(1, 211 // DEPTH)]

    wrong = [f"{cell}: {violation}" for cell in chosen for violation in play_cell(cell).violations]

    assert len({cell.strikes[0].kind for cell in chosen}) >= len(KINDS) // 2
    assert wrong == []
