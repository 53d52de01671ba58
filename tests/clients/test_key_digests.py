"""The public parts of an application's keys, by which ours is told from one that only looks like it."""

import base64
import hashlib

import pytest

from shared.errors import Unreachable
from shared.identity import AppObjectId
from tests.clients.fake_graph import FakeGraph, in_turn, ok, play

APPLICATION = AppObjectId("30000000-0000-4000-8000-000000000001")
KEY = "50000000-0000-4000-8000-000000000001"


def test_the_digest_is_that_of_the_public_part() -> None:
    """Graph gives the certificate as base64, and only where keyCredentials is selected."""
    shown = {"keyId": KEY, "key": base64.b64encode(b"der").decode()}
    graph = FakeGraph(in_turn(ok({"id": APPLICATION, "keyCredentials": [shown]})))

    digests = play(lambda: graph.directory().key_digests(APPLICATION))

    assert digests == {KEY: hashlib.sha256(b"der").hexdigest()}
    assert "$select=id,keyCredentials" in graph.asked[0].path


@pytest.mark.parametrize("answer", [{}, {"keyCredentials": [{"keyId": KEY, "key": None}]}, {"keyCredentials": ["x"]}])
def test_a_key_without_its_public_part_proves_nothing(answer: dict[str, object]) -> None:
    """What could not be read is an error and never an empty list."""
    graph = FakeGraph(in_turn(ok(answer)))

    with pytest.raises(Unreachable):
        play(lambda: graph.directory().key_digests(APPLICATION))
