"""Every store is held to one contract."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.azurite import AzuriteMissing, azurite, must_run
from tests.stores.chains import Watch
from tests.stores.twins import AzureTwin, MemoryTwin, SqliteTwin, Twin


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def connection_string() -> Generator[str]:
    """Azurite's, for the whole run. Skips where it cannot be had, unless this is CI and Node is there."""
    running = azurite()
    try:
        found = running.__enter__()
    except AzuriteMissing as problem:
        if must_run():
            raise
        pytest.skip(f"needs the storage emulator: {problem}")
    try:
        yield found
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(params=["memory", "sqlite", "azure"])
async def twin(request: pytest.FixtureRequest, tmp_path: Path, watch: Watch) -> AsyncGenerator[Twin]:
    """Each twin in turn."""
    one = _twin(request, tmp_path, watch)
    yield one
    await one.close()


@pytest.fixture
async def azure(connection_string: str) -> AsyncGenerator[AzureTwin]:
    one = AzureTwin(connection_string)
    yield one
    await one.close()


def _twin(request: pytest.FixtureRequest, tmp_path: Path, watch: Watch) -> Twin:
    match request.param:
        case "memory":
            return MemoryTwin(watch)
        case "sqlite":
            return SqliteTwin(tmp_path / "cordon.db", watch)
        case _:
            return AzureTwin(request.getfixturevalue("connection_string"))
