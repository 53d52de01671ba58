"""Doors are tested against a Responder that only remembers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from functions import runtime
from tests.doors.fake_responder import FakeResponder

if TYPE_CHECKING:
    from shared.responder import Responder


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def responder() -> Iterator[FakeResponder]:
    """The Responder that all doors speak to."""
    fake = FakeResponder()
    runtime.use(cast("Responder", fake))
    yield fake
    runtime.use(None)
