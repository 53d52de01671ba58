"""
The deployment fits together, and fits the app.

No Bicep compiler and no Azure are at hand here, so nothing below says that a deployment succeeds. A parser reads the
templates; what can be compared with the code is compared.
"""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest
from pycep import BicepParser

from drill.practice.arm.roles import BUILT_IN, CORDON, ROTATOR
from infra import permissions
from infra.grant import CannotGrant, Json, chosen_permissions, plan
from shared import settings
from shared.actions import ACTIONS, choosable
from shared.conditions import CONDITIONS, condition_named, may_read, reads_for, reads_of
from shared.conditions.changed_by_suspect import ChangedBySuspect
from shared.conditions.groups import leaves
from shared.policy import load_policy
from shared.sources import SOURCES

ROOT = Path(__file__).parent.parent
INFRA = ROOT / "infra"
TEMPLATES = sorted(INFRA.glob("*.bicep"))

Template: TypeAlias = dict[str, Any]

# The cloud decides these; only stand-ins and sovereign oddities need them, and no deployment made from here.
LEFT_TO_THE_CLOUD = {
    "CORDON_GRAPH_URL",
    "CORDON_ARM_URL",
    "CORDON_LOGS_URL",
    "CORDON_VAULT_URL",
    "CORDON_LOGIN_URL",
}


@cache
def template(name: str) -> Template:
    return cast("Template", BicepParser().parse(text=(INFRA / name).read_text(encoding="utf-8")))


def configs(found: Template, kind: str) -> list[Template]:
    """What every resource of a kind is configured with; of a loop, what its body is."""
    made = [r for r in found["resources"].values() if r["type"] == kind and not r["existing"]]
    return [r["config"]["config"] if "loop_type" in r["config"] else r["config"] for r in made]


def words_allowed(parameter: Template) -> list[str]:
    return next(d["argument"] for d in parameter["decorators"] if d["type"] == "allowed")


def app_settings() -> dict[str, object]:
    [found] = configs(template("app.bicep"), "Microsoft.Web/sites/config")
    return found["properties"]


def functions_source() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "functions").glob("*.py")))


def function_names() -> set[str]:
    return set(re.findall(r'\.function_name\("(\w+)"\)', functions_source()))


# Templates


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_can_be_parsed(path: Path) -> None:
    """Each Bicep file is well-formed and makes or holds something."""
    found = template(path.name)

    assert found.get("resources") or found.get("modules")


def test_modules_get_exactly_the_parameters_they_declare() -> None:
    """main.bicep passes every parameter that has no default, and none that does not exist."""
    for name, module in template("main.bicep")["modules"].items():
        declared: Template = template(module["detail"]["path"])["parameters"]
        required = {parameter for parameter, how in declared.items() if how.get("default") is None}

        assert required <= set(module["config"]["params"]) <= set(declared), name


def test_every_output_that_main_uses_is_made_by_its_module() -> None:
    """No `module.outputs.name` points nowhere."""
    main = template("main.bicep")
    modules: Template = main["modules"]
    made = {name: set(template(module["detail"]["path"]).get("outputs", {})) for name, module in modules.items()}
    used = set(re.findall(r"\b(\w+)\.outputs\.(\w+)", (INFRA / "main.bicep").read_text(encoding="utf-8")))

    assert used
    assert [f"{module}.{output}" for module, output in sorted(used) if output not in made[module]] == []


def test_no_template_declares_what_it_does_not_use() -> None:
    """Every parameter and variable is spoken of again after its declaration."""
    for path in TEMPLATES:
        text, found = path.read_text(encoding="utf-8"), template(path.name)
        names = [*found.get("parameters", {}), *found.get("variables", {})]

        assert [name for name in names if len(re.findall(rf"\b{name}\b", text)) < 2] == [], path.name


def test_the_parameters_file_names_parameters_of_main() -> None:
    """What azd fills in exists, and everything without a default is filled in."""
    declared: Template = template("main.bicep")["parameters"]
    given = set(json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"])
    required = {name for name, how in declared.items() if how.get("default") is None}

    assert required <= given <= set(declared)


def test_nothing_is_opened_by_a_key() -> None:
    """Storage and topics refuse keys, and no template asks for one."""
    stores = template("stores.bicep")
    accounts, topics = (
        configs(stores, f"Microsoft.{kind}") for kind in ("Storage/storageAccounts", "EventGrid/topics")
    )

    assert [account["properties"]["allowSharedKeyAccess"] for account in accounts] == [False]
    assert [topic["properties"]["disableLocalAuth"] for topic in topics] == [True, True]
    assert not [path.name for path in TEMPLATES if re.search(r"\blist\w*\(", path.read_text(encoding="utf-8"))]


def test_a_deployment_starts_by_watching() -> None:
    """Whoever deploys without thinking about the mode gets one that changes nothing."""
    given = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]

    assert template("main.bicep")["parameters"]["mode"]["default"] == "watch"
    assert given["mode"]["value"] == "${CORDON_MODE=watch}"


# Templates and the app


def test_the_app_is_given_every_setting_that_it_reads() -> None:
    """No setting of Cordon is missing from the deployment, and none is set that Cordon does not know."""
    given = {name.partition("__")[0] for name in app_settings() if name.startswith("CORDON_")}

    assert given == {*settings.NAMES, *settings.HOST_NAMES} - LEFT_TO_THE_CLOUD


@pytest.mark.parametrize("mode", [mode.value for mode in settings.Mode])
def test_cordon_accepts_the_settings_of_a_deployment(mode: str) -> None:
    """The settings are consistent with each other in every mode."""
    plausible = {
        "CORDON_MODE": mode,
        "CORDON_CLOUD": "public",
        "CORDON_POLICY": "policies/default.yaml",
        "CORDON_STORE": "tables",
        "CORDON_TOPIC_ENDPOINT": "https://outcomes.region.eventgrid.azure.net/api/events",
        "CORDON_LOG_WORKSPACES": "",
        "CORDON_HANDOVER_VAULT": "kvcordonabc",
    }
    environ = {name: plausible.get(name, "5b7d3c1a-0000-4000-8000-000000000001") for name in app_settings()}

    read = settings.Settings.read(environ)

    assert read.mode == mode
    assert read.handover_vault == "https://kvcordonabc.vault.azure.net"


def test_modes_and_clouds_on_offer_are_those_that_cordon_knows() -> None:
    """The templates allow no word that the settings refuse, and leave none out."""
    declared: Template = template("main.bicep")["parameters"]

    assert words_allowed(declared["mode"]) == [mode.value for mode in settings.Mode]
    assert words_allowed(declared["cloud"]) == [cloud.value for cloud in settings.Cloud]


def test_functions_named_in_templates_exist() -> None:
    """Event Grid delivers to, and the platform keeps ready, functions that the app has."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    named = {*re.findall(r"/functions/(\w+)", text), *re.findall(r"'function:(\w+)'", text)}
    swept = set(re.findall(r'"(sweep_\w+)"', text))

    assert named
    assert swept
    assert named | swept <= function_names()


def test_the_queues_that_doors_listen_on_are_made() -> None:
    """Both queues, the poison one too, are there before the first message."""
    listened = set(re.findall(r'queue_name="([\w-]+)"', functions_source()))
    loop = template("stores.bicep")["resources"]["workQueues"]["config"]["loop_type"]

    assert set(loop["detail"]["array_name"]) == listened


def test_tables_and_containers_of_the_store_are_made() -> None:
    """What the store looks for lies there under the same name."""
    store = (ROOT / "shared" / "clients" / "azure_store.py").read_text(encoding="utf-8")
    wanted = set(re.findall(r'^[A-Z]+_(?:TABLE|CONTAINER) = "([\w-]+)"', store, re.MULTILINE))
    made = set(re.findall(r"'([\w-]+)'", (INFRA / "stores.bicep").read_text(encoding="utf-8")))

    assert len(wanted) == 3
    assert wanted <= made


def test_alerts_look_for_words_that_cordon_logs() -> None:
    """An alert on a sentence that nobody logs would never fire."""
    code = functions_source() + (ROOT / "shared" / "errors.py").read_text(encoding="utf-8")
    text = (INFRA / "alerts.bicep").read_text(encoding="utf-8")
    sentences = re.findall(r'Message \w+ "([^"]+)"', text)

    assert sentences
    assert [sentence for sentence in sentences if sentence not in code] == []


def test_every_event_and_log_that_a_source_reads_is_brought_to_it() -> None:
    """Subscription and diagnostic setting carry exactly what the catalogue of sources can read."""
    subscribed = template("subscriptions.bicep")["parameters"]["eventTypes"]["default"]
    script = (INFRA / "diagnostic-setting.sh").read_text(encoding="utf-8")
    exported = re.findall(r'\\"category\\": \\"(\w+)\\"', script)

    assert sorted(subscribed) == sorted(t for source in SOURCES for t in source.event_types)
    assert sorted(exported) == sorted(c for source in SOURCES for c in source.categories)


# Scripts


def test_scripts_use_what_main_puts_out() -> None:
    """Every variable that a script reads is an output of main.bicep."""
    outputs = set(template("main.bicep")["outputs"])
    for script in INFRA.glob("*.sh"):
        read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", script.read_text(encoding="utf-8")))

        assert read
        assert read <= outputs, script.name


def test_the_subscription_script_passes_what_its_template_needs() -> None:
    """after-deploy.sh names the parameters of subscriptions.bicep."""
    declared: Template = template("subscriptions.bicep")["parameters"]
    script = (INFRA / "after-deploy.sh").read_text(encoding="utf-8")
    passed = set(re.findall(r'(\w+)="\$', script))

    assert passed == {name for name, how in declared.items() if how.get("default") is None}


# Permissions


def test_the_permissions_file_says_what_the_catalogue_needs() -> None:
    """`python -m infra.permissions` would change nothing."""
    assert permissions.FILE.read_text(encoding="utf-8") == permissions.text()


def test_the_rotators_file_says_what_their_catalogue_needs() -> None:
    """`python -m infra.permissions` would change nothing."""
    assert permissions.ROTATORS_FILE.read_text(encoding="utf-8") == permissions.rotators_text()


def test_the_template_s_role_covers_every_operation_that_a_rotator_names() -> None:
    """A rotator that is added brings its operations into the role, or this fails."""
    [role] = configs(template("estate.bicep"), "Microsoft.Authorization/roleDefinitions")
    [permission] = role["properties"]["permissions"]
    wanted = [each for names in permissions.rotators().values() for each in names if each.startswith("Microsoft.")]

    assert wanted
    for operation in wanted:
        assert any(fnmatchcase(operation.lower(), action.lower()) for action in permission["actions"]), operation


def test_the_reader_gets_what_the_clients_say_they_read_with_and_cannot_write() -> None:
    """The permissions named in messages about refused reads are the granted ones."""
    clients = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "shared" / "clients").glob("*.py"))
    named = set(re.findall(r'^READ_\w+ = "([\w.]+)"', clients, re.MULTILINE))

    granted = permissions.READING.keys() | permissions.READING_AS_SHIPPED.keys()
    assert granted | permissions.READING_FOR_ACTIONS.keys() == named
    assert not [name for name in named if "Write" in name]


def test_what_actions_and_conditions_read_with_is_what_the_reader_can_be_granted() -> None:
    """Before and after every change, and to judge, it is the reader who looks."""
    reads = {name for action in ACTIONS for name in action.reads}
    reads |= {name for condition in CONDITIONS for name in reads_of(condition)}

    beyond = permissions.READING_AS_SHIPPED.keys() | permissions.READING_FOR_ACTIONS.keys()
    assert reads <= permissions.READING.keys() | beyond
    assert reads >= beyond


@pytest.mark.parametrize("name", [each.name for each in CONDITIONS if hasattr(each, "also_reads")])
def test_what_some_settings_of_a_condition_read_with_has_a_name_to_grant_it_by(name: str) -> None:
    """Else a person would have to find out which permission it is, and grant it by hand."""
    condition = condition_named(name)
    optional = cast("dict[str, dict[str, list[str]]]", permissions.wanted()["optional"])

    assert condition is not None
    assert may_read(condition)
    assert set(may_read(condition)) <= {*permissions.READING, *optional[f"condition-{name}"]["reader"]}
    assert set(reads_for(ChangedBySuspect())) <= set(may_read(ChangedBySuspect))


def shipped_reads() -> set[str]:
    """What the conditions of the shipped policy read with."""
    policy = load_policy(ROOT / "policies" / "default.yaml", choosable())
    return {name for rule in policy.rules for leaf in leaves(rule.when) for name in reads_for(leaf)}


def test_the_shipped_policy_needs_no_more_than_is_granted_unasked() -> None:
    """What could make anybody Global Administrator is held only where somebody chose the action that needs it."""
    names = choosable()
    shipped = {
        choice.name for rule in load_policy(ROOT / "policies" / "default.yaml", names).rules for choice in rule.actions
    }
    listed = permissions.wanted()

    assert not shipped & set(cast("Json", listed["optional"]))
    assert shipped_reads() <= set(cast("list[str]", listed["reader"]))
    assert "RoleManagement.ReadWrite.Directory" not in cast("list[str]", listed["executor"])


def test_more_is_granted_for_an_action_by_name() -> None:
    """And taking away takes all of it, whichever actions it was granted for."""
    listed: Json = {"executor": ["A.All"], "optional": {"cut": {"executor": ["B.All"]}, "look": {"reader": ["C.All"]}}}

    assert chosen_permissions(listed, "executor", [], take_away=False) == ["A.All"]
    assert chosen_permissions(listed, "executor", ["cut", "look"], take_away=False) == ["A.All", "B.All"]
    assert chosen_permissions(listed, "executor", [], take_away=True) == ["A.All", "B.All"]
    with pytest.raises(CannotGrant, match="cut, look"):
        chosen_permissions(listed, "executor", ["cutt"], take_away=False)


GRAPH_ITSELF: Json = {
    "id": "graph",
    "appRoles": [{"value": "Application.Read.All", "id": "r1"}, {"value": "AuditLog.Read.All", "id": "r2"}],
}


def graph_with(*pages: Json) -> Mapping[str, Json]:
    """Answers by path: Graph's own principal, and the identity's assignments page by page."""
    first = "/servicePrincipals/me/appRoleAssignments"
    paths = [first, *(f"{first}?$skiptoken={n}" for n in range(1, len(pages)))]
    own = "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=id,appRoles"
    return {own: GRAPH_ITSELF, **dict(zip(paths, pages, strict=True))}


def planned(answers: Mapping[str, Json], *names: str, take_away: bool = False) -> list[tuple[str, str]]:
    def ask(method: str, path: str, body: Json | None) -> Json:
        assert (method, body) == ("GET", None)
        return answers[path]

    return [(change.method, change.sentence) for change in plan(ask, "me", names, take_away=take_away)]


def held(role: str, grant: str, resource: str = "graph") -> Json:
    return {"id": grant, "appRoleId": role, "resourceId": resource}


def test_only_missing_permissions_are_granted() -> None:
    """What is held already, also on a later page, is left as it is."""
    answers = graph_with(
        {"value": [], "@odata.nextLink": "https://graph/v1.0/servicePrincipals/me/appRoleAssignments?$skiptoken=1"},
        {"value": [held("r1", "g1")]},
    )

    assert planned(answers, "Application.Read.All", "AuditLog.Read.All") == [("POST", "grant AuditLog.Read.All")]


def test_a_role_of_another_api_is_no_permission_on_graph() -> None:
    """The same role id on another resource does not count."""
    answers = graph_with({"value": [held("r1", "g1", resource="something else")]})

    assert planned(answers, "Application.Read.All") == [("POST", "grant Application.Read.All")]


def test_permissions_can_be_taken_away() -> None:
    """Only those that are held are removed, each by its own grant."""
    answers = graph_with({"value": [held("r2", "g2")]})

    assert planned(answers, "Application.Read.All", "AuditLog.Read.All", take_away=True) == [
        ("DELETE", "take away AuditLog.Read.All")
    ]


def test_a_permission_that_graph_does_not_know_stops_everything() -> None:
    """Nothing is granted by halves."""
    with pytest.raises(CannotGrant, match=r"AuditLog\.Read\.Everything"):
        planned(graph_with({"value": []}), "Application.Read.All", "AuditLog.Read.Everything")


def test_the_practice_tenant_s_rotator_may_do_what_the_template_lets_it_do() -> None:
    """What a drill shows with this role is what a deployment of it can do."""
    [role] = configs(template("estate.bicep"), "Microsoft.Authorization/roleDefinitions")
    [permission] = role["properties"]["permissions"]

    assert tuple(permission["actions"]) == ROTATOR.actions
    assert role["properties"]["roleName"] == ROTATOR.name
    assert permission["notActions"] == []


def test_the_roles_of_the_template_are_those_that_the_practice_tenant_knows() -> None:
    """Built-in roles are named by GUIDs, in which nobody sees a mistake."""
    names = {each.id: each.name for each in BUILT_IN}
    text = (INFRA / "estate.bicep").read_text(encoding="utf-8")
    given = {
        variable: names[role] for variable, role in re.findall(r"^var (\w+) = '([0-9a-f-]{36})'$", text, re.MULTILINE)
    }

    assert given == {
        "reader": "Reader",
        "logAnalyticsReader": "Log Analytics Reader",
        "secretsOfficer": "Key Vault Secrets Officer",
        "certificatesOfficer": "Key Vault Certificates Officer",
        "userAccessAdministrator": "User Access Administrator",
        "keyVaultContributor": "Key Vault Contributor",
    }
    assert set(given.values()) == {name for names_ in CORDON.values() for name in names_} - {ROTATOR.name}
