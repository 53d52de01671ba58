"""Settings: read once, checked together, never repeated."""

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from shared.errors import SettingsWrong
from shared.settings import ENDPOINTS, HOST_NAMES, NAMES, Cloud, Mode, Settings

TENANT = "bbbbbbbb-0000-4000-8000-00000000000b"
READER = "cccccccc-0000-4000-8000-00000000000c"
EXECUTOR = "dddddddd-0000-4000-8000-00000000000d"
LEAST = {
    "CORDON_TENANT_ID": TENANT,
    "CORDON_READER_CLIENT_ID": READER,
    "CORDON_POLICY": "policies/default.yaml",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def read(**changes: str) -> Settings:
    return Settings.read({**LEAST, **changes})


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsWrong) as caught:
        Settings.read(environ)
    return caught.value.problems


def problem(**changes: str) -> str:
    (only,) = problems({**LEAST, **changes})
    return only


def test_the_least_that_is_needed_watches_the_public_cloud() -> None:
    """Without a word about it, Cordon changes nothing."""
    settings = Settings.read(LEAST)

    assert settings.mode is Mode.WATCH
    assert settings.cloud is Cloud.PUBLIC
    assert settings.store == "tables"
    assert settings.executor_client_id is None
    assert settings.graph_url == "https://graph.microsoft.com"
    assert settings.handover_vault is None


def test_settings_do_not_change_after_they_were_read() -> None:
    """They are a frozen value."""
    with pytest.raises(FrozenInstanceError):
        read().mode = Mode.ACT  # pyright: ignore[reportAttributeAccessIssue]


def test_everything_that_is_wrong_is_told_in_one_message() -> None:
    """Nobody mends settings one restart at a time."""
    found = problems(
        {
            "CORDON_MODE": "acting",
            "CORDON_TENANT_ID": "contoso.example",
            "CORDON_CLOUD": "germany",
            "CORDON_GRAPH_URL": "http://graph.microsoft.com",
            "CORDON_TOPIK_ENDPOINT": "https://t.example",
        }
    )

    assert found == (
        "CORDON_TOPIK_ENDPOINT is not a setting; did you mean CORDON_TOPIC_ENDPOINT?",
        "CORDON_CLOUD must be one of public, usgov, usgov-dod, china.",
        "CORDON_MODE must be one of watch, ask, act; did you mean act?",
        "CORDON_TENANT_ID is not a GUID (8-4-4-4-12 hexadecimal digits).",
        "CORDON_POLICY is missing: the policy file, for example policies/default.yaml.",
        "CORDON_READER_CLIENT_ID is missing: the identity that reads the tenant, as a GUID.",
        "CORDON_GRAPH_URL must use https; plain http is accepted for this machine only (127.0.0.1, ::1, localhost).",
        "AzureWebJobsStorage is missing: CORDON_STORE is tables, which lie in that storage account.",
    )


def test_no_message_repeats_a_value() -> None:
    """Somebody may have pasted a secret into any line."""
    canary = "Canary~Secret~123"
    given = dict.fromkeys(NAMES, canary)

    with pytest.raises(SettingsWrong) as caught:
        Settings.read({**given, "CORDON_TOPIC_ENDPOINT": f"https://user:{canary}@t.example"})

    assert "Canary" not in str(caught.value)
    assert len(caught.value.problems) >= len(NAMES) - 3


@pytest.mark.parametrize("mode", ["ask", "act"])
def test_whoever_carries_out_plans_needs_an_identity_for_it(mode: str) -> None:
    """The reader's identity is never taken for it silently."""
    assert problem(CORDON_MODE=mode).startswith("CORDON_EXECUTOR_CLIENT_ID is missing")

    assert read(CORDON_MODE=mode, CORDON_EXECUTOR_CLIENT_ID=EXECUTOR).executor_client_id == EXECUTOR


def test_whoever_makes_certificates_needs_an_identity_for_it() -> None:
    """A hand-over vault without a rotator would fail in the middle of an incident."""
    changes = {"CORDON_MODE": "act", "CORDON_EXECUTOR_CLIENT_ID": EXECUTOR, "CORDON_HANDOVER_VAULT": "handover"}

    assert problem(**changes).startswith("CORDON_ROTATOR_CLIENT_ID is missing")
    assert read(**changes, CORDON_ROTATOR_CLIENT_ID=EXECUTOR).rotator_client_id == EXECUTOR


def test_one_identity_may_serve_for_all() -> None:
    """Three are better; one is allowed."""
    settings = read(CORDON_MODE="act", CORDON_EXECUTOR_CLIENT_ID=READER, CORDON_ROTATOR_CLIENT_ID=READER)

    assert settings.reader_client_id == settings.executor_client_id == settings.rotator_client_id


def test_guids_come_in_one_spelling() -> None:
    """So that they can be compared."""
    assert read(CORDON_TENANT_ID=f" {TENANT.upper()} ").tenant_id == TENANT


def test_the_samples_placeholder_is_not_a_tenant() -> None:
    """A sample that was copied and not filled in says so, instead of finding nothing to watch."""
    assert "placeholder" in problem(CORDON_TENANT_ID="00000000-0000-0000-0000-000000000000")


def test_workspaces_are_a_list_of_guids() -> None:
    """Commas part them; none is named twice."""
    assert read(CORDON_LOG_WORKSPACES=f"{READER}, {EXECUTOR.upper()}").log_workspaces == (READER, EXECUTOR)
    assert "twice" in problem(CORDON_LOG_WORKSPACES=f"{READER},{READER}")
    assert "GUID" in problem(CORDON_LOG_WORKSPACES=f"{READER},")


def test_a_relative_policy_counts_from_the_apps_folder() -> None:
    """The current folder of a worker is the platform's choice."""
    assert read().policy == Path(__file__).resolve().parent.parent / "policies" / "default.yaml"
    assert read(CORDON_POLICY="/etc/cordon/policy.yaml").policy == Path("/etc/cordon/policy.yaml")


def test_a_store_outlives_the_process() -> None:
    """Tables, or a file."""
    assert read(CORDON_STORE="sqlite:cordon.db").store == "sqlite:cordon.db"
    assert "did you mean sqlite?" in problem(CORDON_STORE="sqllite:cordon.db")
    for unusable in ("sqlite:", "sqlite::memory:", "sqlite:/var/", "sqlite"):
        assert "CORDON_STORE" in problem(CORDON_STORE=unusable)


def test_a_file_needs_no_storage_account() -> None:
    """Only tables lie in it."""
    assert Settings.read({**LEAST, "AzureWebJobsStorage": "", "CORDON_STORE": "sqlite:cordon.db"}).store


def test_a_storage_account_can_be_reached_by_identity() -> None:
    """Then its setting has another name, and no secret in it."""
    environ = {**LEAST, "AzureWebJobsStorage": "", "AzureWebJobsStorage__accountName": "cordonstore"}

    assert Settings.read(environ).store == "tables"


@pytest.mark.parametrize("cloud", list(Cloud))
def test_each_cloud_has_its_own_endpoints(cloud: Cloud) -> None:
    """None of them leads out of the cloud that was named."""
    settings = read(CORDON_CLOUD=cloud.value, CORDON_HANDOVER_VAULT="handover")
    expected = ENDPOINTS[cloud]

    assert (settings.graph_url, settings.arm_url, settings.logs_url, settings.vault_url, settings.login_url) == (
        expected.graph,
        expected.arm,
        expected.logs,
        expected.vault,
        expected.login,
    )
    assert settings.handover_vault == expected.vault.replace("https://", "https://handover.")


def test_stand_ins_on_this_machine_may_use_http() -> None:
    """Drills and tests point every service at loopback."""
    for host in ("127.0.0.1:8801", "localhost:8801", "[::1]:8801", "127.9.9.9"):
        assert read(CORDON_GRAPH_URL=f"http://{host}/").graph_url == f"http://{host}"


@pytest.mark.parametrize(
    "url",
    [
        "http://graph.microsoft.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "ftp://graph.microsoft.com",
        "graph.microsoft.com",
        "https://",
        "https://user:pass@graph.microsoft.com",
        "https://graph.microsoft.com?sig=abc",
        "https://graph.microsoft.com#x",
        "https://graph.microsoft.com:99999",
        "https://graph microsoft.com",
        "https://[::1",
    ],
)
@pytest.mark.parametrize("name", ["CORDON_GRAPH_URL", "CORDON_LOGIN_URL", "CORDON_TOPIC_ENDPOINT"])
def test_a_url_that_tokens_must_not_go_to_is_refused(name: str, url: str) -> None:
    """https everywhere but on this machine, and nothing in the URL but where it leads."""
    assert problem(**{name: url}).startswith(name)


def test_a_hand_over_vault_is_named_or_given_as_its_url() -> None:
    """Both become the same URL."""
    name = read(CORDON_HANDOVER_VAULT="Hand-Over1").handover_vault
    url = read(CORDON_HANDOVER_VAULT="https://hand-over1.vault.azure.net/").handover_vault

    assert name == url == "https://hand-over1.vault.azure.net"


@pytest.mark.parametrize(
    "vault",
    [
        "ab",
        "1vault",
        "vault-",
        "va--ult",
        "v" * 25,
        "https://evil.example",
        "https://x.vault.azure.net.evil.example",
        "a/b",
    ],
)
def test_a_vault_elsewhere_or_with_an_impossible_name_is_refused(vault: str) -> None:
    """New keys are made in the configured cloud's vaults only."""
    assert problem(CORDON_HANDOVER_VAULT=vault).startswith("CORDON_HANDOVER_VAULT")


def test_a_stand_in_for_vaults_does_not_rename_them() -> None:
    """A vault keeps its usual URL; the requests are sent to the stand-in."""
    settings = read(CORDON_VAULT_URL="http://127.0.0.1:8802", CORDON_HANDOVER_VAULT="handover")

    assert settings.vault_url == "http://127.0.0.1:8802"
    assert settings.handover_vault == "https://handover.vault.azure.net"


def test_another_domain_for_vaults_holds_for_the_hand_over_vault() -> None:
    """Where a cloud has a domain of its own."""
    settings = read(CORDON_VAULT_URL="https://vault.sovereign.example", CORDON_HANDOVER_VAULT="handover")

    assert settings.handover_vault == "https://handover.vault.sovereign.example"


def test_an_event_hub_is_configured_whole_or_not_at_all() -> None:
    """The host reads these two; half of them is a function that never starts."""
    assert problem(CORDON_EVENT_HUB="insights").startswith("CORDON_EVENTS is missing")
    assert problem(CORDON_EVENTS="Endpoint=sb://x").startswith("CORDON_EVENT_HUB is missing")
    assert read(CORDON_EVENTS__fullyQualifiedNamespace="x.servicebus.windows.net", CORDON_EVENT_HUB="insights")


def test_the_sample_names_every_setting() -> None:
    """Whoever copies the sample sees all there is, and nothing that is not there."""
    values = json.loads(Path("local.settings.sample.json").read_text())["Values"]

    assert {name for name in values if name.startswith("CORDON_")} == {*NAMES, *HOST_NAMES}
    assert all(isinstance(value, str) for value in values.values())


def test_the_sample_is_right_but_for_what_must_be_filled_in() -> None:
    """Nothing is wrong with it except its placeholders."""
    values = json.loads(Path("local.settings.sample.json").read_text())["Values"]

    assert {each.split()[0] for each in problems(values)} == {"CORDON_TENANT_ID", "CORDON_READER_CLIENT_ID"}
    assert Settings.read({**values, "CORDON_TENANT_ID": TENANT, "CORDON_READER_CLIENT_ID": READER}).mode is Mode.WATCH


def test_every_setting_has_its_field() -> None:
    """CORDON_GRAPH_URL is graph_url, and so on."""
    assert {name.removeprefix("CORDON_").lower() for name in NAMES} == {field.name for field in fields(Settings)}
