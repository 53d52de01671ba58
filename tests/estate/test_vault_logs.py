"""What the vaults' logs tell of reads: late, from several workspaces, whole or not at all. Azure notes 3.4."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drill.practice import Behaviour
from shared.case import CouldNotLook
from shared.clients.vault_logs import ALL_READS
from shared.estate import NOBODY, Estate, SecretRef
from shared.identity import ClientId, PrincipalId
from tests.estate.desk import OTHER_SUBSCRIPTION, SUBSCRIPTION, known, vault_id, why_not, with_estate
from tests.practice.desk import APP_ID, PRINCIPAL, Desk

US, CLIENT = PrincipalId(PRINCIPAL), ClientId(APP_ID)
SINCE = datetime(2026, 2, 1, tzinfo=UTC)
VERSION = "0123456789abcdef0123456789abcdef"
USER = "0c0c0c0c-7777-4000-8000-00000000cccc"
APP = "0a0a0a0a-7777-4000-8000-00000000aaaa"


def read(
    what: str,
    time: str,
    *,
    vault: str = "shop",
    subscription: str = SUBSCRIPTION,
    oid: str = PRINCIPAL,
    app: str = APP_ID,
    **more: Any,
) -> dict[str, Any]:
    """An audit record of somebody's reading."""
    return {
        "time": time,
        "resourceId": vault_id(vault, subscription).upper(),
        "operationName": "SecretGet",
        "resultSignature": "OK",
        "callerIpAddress": "198.51.100.9",
        "identity": {"claim": {"appid": app, "oid": oid}},
        "properties": {
            "id": f"https://{vault}.vault.azure.net/secrets/{what}",
            "requestUri": f"https://{vault}.vault.azure.net:8443/secrets/{what}?api-version=7.4",
            "httpStatusCode": 200,
        },
        **more,
    }


LOGS = f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces"
AZURE = {
    "workspaces": [{"name": name, "id": f"{LOGS}/{name}"} for name in ("first", "second")],
    "vaults": [
        {"name": "shop", "subscription": SUBSCRIPTION, "diagnostics": {"workspaceId": f"{LOGS}/first"}},
        {"name": "bank", "subscription": SUBSCRIPTION, "diagnostics": {"workspaceId": f"{LOGS}/second"}},
    ],
}
HISTORY = {
    "keyVaultAudits": [
        read("DB", "2026-02-20T10:00:00Z"),
        read(f"DB/{VERSION}", "2026-02-21T10:00:00Z", callerIpAddress="198.51.100.10"),
        read("db", "2026-02-22T10:00:00Z", oid=USER),  # on behalf of a user
        read("db", "2026-02-23T10:00:00Z", oid=USER, app=APP),
        read("old", "2026-01-20T10:00:00Z"),
        read("pin", "2026-02-24T10:00:00Z", vault="bank"),
    ]
}


def test_reads_are_told_from_all_workspaces_in_our_words() -> None:
    """Names in lower case, versions and addresses, and what was read on behalf of a user."""

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        found = sorted(known(await estate.logs.reads_by(US, CLIENT, SINCE)), key=lambda each: each.first)

        assert [(each.secret, each.reader, each.client, each.count) for each in found] == [
            (SecretRef("shop", "db"), PRINCIPAL, APP_ID, 2),
            (SecretRef("shop", "db"), USER, APP_ID, 1),
            (SecretRef("bank", "pin"), PRINCIPAL, APP_ID, 1),
        ]
        assert (found[0].versions, found[0].unnamed) == ((VERSION,), True)
        assert found[0].addresses == ("198.51.100.10", "198.51.100.9")
        assert (found[0].first, found[0].last) == (
            datetime(2026, 2, 20, 10, tzinfo=UTC),
            datetime(2026, 2, 21, 10, tzinfo=UTC),
        )

    with_estate(story, AZURE, logs=HISTORY)


def test_everybody_who_read_a_secret_is_told() -> None:
    """They are who breaks when it is rotated."""

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        found = known(await estate.logs.readers_of([SecretRef("shop", "db"), SecretRef("shop", "none")], SINCE))

        assert {(each.reader, each.client) for each in found} == {(PRINCIPAL, APP_ID), (USER, APP_ID), (USER, APP)}

    with_estate(story, AZURE, logs=HISTORY)


def test_hundreds_of_secrets_are_asked_for_in_several_questions() -> None:
    """Whatever fits into one."""

    async def story(estate: Estate, desk: Desk) -> None:
        assert estate.logs is not None
        many = [SecretRef("shop", f"s{n}") for n in range(450)]
        found = known(await estate.logs.readers_of([*many, SecretRef("bank", "pin")], SINCE))

        assert [each.secret.name for each in found] == ["pin"]
        assert len([each for each in desk.tenant.requests if each.path.endswith("/query")]) == 2 * 3

    with_estate(story, AZURE, logs=HISTORY)


def test_a_partial_result_is_no_result() -> None:
    """Half of the rows look like all of them."""

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        part = await estate.logs.reads_by(US, CLIENT, SINCE)

        assert "not whole" in why_not(part)
        assert isinstance(part, CouldNotLook)
        assert part.may_help_later

    with_estate(story, AZURE, logs=HISTORY, behaviour=Behaviour.gentle(partial_logs=True))


def test_a_result_that_is_partial_once_is_asked_for_again() -> None:
    """Trouble of the service's engine passes."""
    fault = {"service": "logs", "match": "POST *", "kind": "partial", "count": 1}

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        assert len(known(await estate.logs.reads_by(US, CLIENT, SINCE))) == 3

    with_estate(story, AZURE, logs=HISTORY, faults=[fault])


def test_one_workspace_that_may_not_be_read_is_named() -> None:
    """What the other says is not the whole."""
    reader = [{"roleDefinitionName": "Log Analytics Reader", "scope": f"{LOGS}/first"}]

    async def story(estate: Estate, desk: Desk) -> None:
        assert estate.logs is not None
        part = await estate.logs.reads_by(US, CLIENT, SINCE)

        assert desk.tenant.workspaces[1] in why_not(part)
        assert desk.tenant.workspaces[0] not in why_not(part)
        assert "Log Analytics Reader" in why_not(part)

    with_estate(story, {**AZURE, "permissions": {"reader": reader}}, logs=HISTORY)


@pytest.mark.parametrize("kind", ["429", "503", "timeout", "cut-body"])
def test_trouble_of_the_service_is_waited_out(kind: str) -> None:
    """A query changes nothing and may be repeated."""
    fault = {"service": "logs", "match": "POST *", "kind": kind, "count": 2}

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        assert len(known(await estate.logs.reads_by(US, CLIENT, SINCE))) == 3

    with_estate(story, AZURE, logs=HISTORY, faults=[fault])


def test_what_was_read_a_minute_ago_may_not_be_there_yet() -> None:
    """The log is minutes late: an empty answer now is asked for again later."""
    attacker = {"identity": PRINCIPAL, "does": "read-secret", "vault": "shop", "secret": "db", "every": "PT30S"}
    vaults = [{**AZURE["vaults"][0], "secrets": [{"name": "db"}]}]  # type: ignore[dict-item]
    role = {"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": vault_id("shop")}

    async def story(estate: Estate, desk: Desk) -> None:
        assert estate.logs is not None
        async with asyncio.TaskGroup() as group:
            tasks = desk.tenant.start(group)
            await asyncio.sleep(60)
            early = await estate.logs.reads_by(US, CLIENT, SINCE)
            await asyncio.sleep(600)
            late = await estate.logs.reads_by(US, CLIENT, SINCE)
            for task in tasks:
                task.cancel()

        assert known(early) == ()
        assert [each.secret for each in known(late)] == [SecretRef("shop", "db")]
        assert known(late)[0].last - known(late)[0].first >= timedelta(minutes=1)

    behaviour = Behaviour.gentle(vault_log_delay=(120.0, 120.0))
    azure = {**AZURE, "vaults": vaults, "roleAssignments": [role]}
    with_estate(story, azure, attackers=[attacker], behaviour=behaviour)


@pytest.mark.parametrize("name", ['x"]); take 1', "a b", "", "x" * 128])
def test_no_query_is_made_of_what_is_not_a_secret_s_name(name: str) -> None:
    """Names come from logs; ids must be GUIDs."""

    async def story(estate: Estate, desk: Desk) -> None:
        assert estate.logs is not None
        assert "no secret can have" in why_not(await estate.logs.readers_of([SecretRef("shop", name)], SINCE))
        with pytest.raises(ValueError, match="GUID"):
            await estate.logs.reads_by(PrincipalId(name), CLIENT, SINCE)

        assert not desk.tenant.requests

    with_estate(story, AZURE)


def test_a_record_without_a_reader_is_not_left_out() -> None:
    """A table with too many columns keeps claims elsewhere: such a read is somebody's."""
    nobody = [read("db", "2026-02-20T10:00:00Z", identity={})]

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        (found,) = known(await estate.logs.reads_by(US, CLIENT, SINCE))

        assert (found.secret, found.reader, found.client) == (SecretRef("shop", "db"), NOBODY, None)

    with_estate(story, AZURE, logs={"keyVaultAudits": nobody})


def test_the_backup_of_a_certificate_takes_its_secret_along() -> None:
    """Whoever has it can bring it back elsewhere, with its key."""
    taken = read("tls", "2026-02-20T10:00:00Z", operationName="CertificateBackup")
    taken["properties"] = {"id": "https://shop.vault.azure.net/certificates/tls", "httpStatusCode": 200}

    async def story(estate: Estate, _: Desk) -> None:
        assert estate.logs is not None
        (found,) = known(await estate.logs.reads_by(US, CLIENT, SINCE))

        assert (found.secret, found.unnamed) == (SecretRef("shop", "tls"), True)

    with_estate(story, AZURE, logs={"keyVaultAudits": [taken]})


@pytest.mark.parametrize("path", ["secrets/Db", "SECRETS/db", "Secrets/DB", "DeletedSecrets/db"])
def test_the_question_finds_the_secret_however_its_path_is_written(path: str) -> None:
    """Key Vault does not mind capitals: whoever writes them must not read unseen."""
    secret, version = re.findall(r"extract\(@'([^']+)', 1, u\)", ALL_READS)
    url = f"https://shop.vault.azure.net:8443/{path}/{VERSION.upper()}?api-version=7.4"

    assert re.search(secret, url)
    assert "deleted" in path.lower() or re.search(version, url)
