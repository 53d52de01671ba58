"""The doors with the real Responder, built from the environment, on a file of its own."""

import asyncio
import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions import runtime
from tests.doors.fake_responder import APP_ID, TENANT
from tests.doors.http_host import answer, post

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CORDON_TENANT_ID", TENANT)
    monkeypatch.setenv("CORDON_READER_CLIENT_ID", APP_ID)
    monkeypatch.setenv("CORDON_POLICY", "policies/default.yaml")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")  # no tokens
    monkeypatch.setattr(asyncio, "sleep", _at_once)  # and no waiting for one, which would take a minute
    monkeypatch.setenv("CORDON_STORE", f"sqlite:{tmp_path / 'cordon.db'}")
    runtime.use(None)
    yield
    runtime.use(None)
    with warnings.catch_warnings():  # connections live as long as their process, which here goes on
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


_sleep = asyncio.sleep


async def _at_once(_: float) -> None:
    """The pause between two attempts, without the time that it takes."""
    await _sleep(0)


async def got(url: str) -> Any:
    response = await answer("GET", url)
    assert response.status_code == 200, response.get_body()
    return json.loads(response.get_body())


@pytest.mark.usefixtures("environment")
async def test_the_responder_is_built_from_the_environment_when_it_is_first_needed() -> None:
    """One Responder serves all doors of the process; without a mode it watches."""
    health = await got("/api/health")

    assert health["mode"] == "watch"
    assert runtime.responder() is runtime.responder()


@pytest.mark.usefixtures("environment")
async def test_an_order_can_be_watched_from_the_moment_it_is_accepted() -> None:
    """202 means stored: the list, the incident and its report know it at once, and a repeated key adds nothing."""
    body = {"identity": {"appId": APP_ID}, "reason": "Its secret was found in a public repository."}

    first = await post("/api/incidents", body, Idempotency_Key="ticket-4711")
    again = await post("/api/incidents", body, Idempotency_Key="ticket-4711")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["Location"] == again.headers["Location"]
    page = await got("/api/incidents")
    assert [each["id"] for each in page["incidents"]] == [json.loads(first.get_body())["incident"]]
    assert (await got(first.headers["Location"]))["signals"] == 1
    assert (await got(f"{first.headers['Location']}/report"))["incident"] == page["incidents"][0]["id"]


@pytest.mark.usefixtures("environment")
async def test_an_incident_that_is_not_there_is_404() -> None:
    """An unknown id and a misspelled one get the same answer."""
    response = await answer("GET", "/api/incidents/20260302-no-such-incident")

    assert response.status_code == 404
    assert json.loads(response.get_body())["kind"] == "not-found"


@pytest.mark.usefixtures("environment")
async def test_a_policy_with_a_mistake_is_told_to_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, line and remedy reach the person with curl, and nothing is decided meanwhile."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nlimits: {}\nruels: []\n")
    monkeypatch.setenv("CORDON_POLICY", str(policy))

    response = await answer("GET", "/api/health")

    assert response.status_code == 503
    problem = json.loads(response.get_body())
    assert problem["kind"] == "policy-wrong"
    assert "policy.yaml:3" in problem["detail"]
