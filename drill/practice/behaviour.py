"""How nasty the practice tenant is. The defaults are those of a bad but ordinary day."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from drill.practice.shapes import ScenarioMistake, known_keys, seconds

Span: TypeAlias = tuple[float, float]  # seconds, from and to; drawn uniformly


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    Everything that a scenario may set under `behaviour`, with Graph-style names (`readLag`, `auditDelay`).

    Durations are seconds, ISO 8601 or "60ms"; spans are [from, to] or one value. What the facts leave
    unverified is a switch here.
    """

    network: float = 0.060  # per HTTP exchange
    service: float = 0.040  # per request, inner requests of a batch too
    read_lag: float = 3.0  # a lagging read shows the state of up to this long ago
    read_lag_share: float = 0.15
    fresh_for: Span = (2.0, 30.0)  # writes to an object made during the run answer 404 for this long
    audit_delay: Span = (120.0, 300.0)  # facts: p95 2 min, p99 5 min
    sign_in_delay: Span = (120.0, 900.0)
    repeated_records: bool = False  # unverified: whether pages of a growing log overlap; here each record comes twice
    vault_log_delay: Span = (60.0, 300.0)
    workspace_delay: Span = (180.0, 900.0)  # until a record of Entra's is in a workspace, whenever Graph shows it
    federated_sign_ins_show_a_zero_key: bool = True  # unverified: what stands in the key id beside the federated one
    sign_in_tables_tell_more: bool = False  # unverified: columns UserAgent, AutonomousSystemNumber and the like
    access_delay: Span = (20.0, 300.0)  # until roles and access policies rule as written; documented: up to 10 min
    operation: Span = (5.0, 40.0)  # a new Cosmos key, a database server's new password
    resource_graph_delay: float = 120.0  # Resource Graph shows what was so long ago; unverified how long
    activity_delay: Span = (120.0, 600.0)  # until a write is in the activity log
    activity_bodies: bool = (
        True  # unverified: that the activity log tells whose a role assignment was, and in which events
    )
    activity_group_in_any_case: bool = False  # unverified: whether the activity log's filter minds capitals
    diagnostics_delay: Span = (60.0, 1800.0)  # until a vault logs as its setting says; documented: up to 90 min
    event_delay: Span = (1.0, 15.0)  # until Event Grid delivers what a vault tells; unverified: not published
    vault_events: str = "pascal"  # or "camel": the documentation's samples and the specification differ
    unsent_tables: str = "missing"  # or "empty": unverified what a workspace says of a table that nobody sends
    partial_logs: bool = False  # queries of logs run into a limit: half the rows, and an error beside them
    truncated_graph: bool = False  # Resource Graph leaves rows out and says so in resultTruncated only
    resource_graph_page: int = 1000
    managed_secrets_refuse_set: bool = True  # unverified: seen refused is only the deletion of such secrets
    token_lifetime: Span = (3600.0, 5400.0)  # facts: 60-90 min
    managed_identity_token_lifetime: Span = (86400.0, 86400.0)  # facts: cached about 24 h
    certificate_pending: Span = (2.0, 6.0)
    password_settles: float = 0.1  # removePassword sooner than this after addPassword answers 400
    managed_identity_patch: bool = True  # unverified: whether accountEnabled of a managed identity can be PATCHed
    lock_covers_removal: bool = True  # unverified: whether the instance lock also refuses removals
    deleted_items_need_role: bool = False  # unverified: whether restoring and purging take a directory role as well
    complex_properties_merge: bool = False  # unverified: whether `web` and the like keep what a PATCH leaves out
    application_write_removes_app_roles: bool = True  # unverified: the permission map says so, the call's page does not
    policies_unlicensed: int = 403  # or 400: unverified how policies for workloads are refused without the licence
    policies_beyond_scope: str = "ineffective"  # or "refused": multi-tenant and managed identities in policies
    policy_conditions_merge: bool = False  # unverified: whether a PATCH keeps the conditions that it does not name
    policy_delay: float = 300.0  # unverified: sign-ins see policies as they were this long ago
    unlicensed: str = "hidden"  # or "forbidden": what identity protection does without Workload ID Premium
    risk_filters: str = "documented"  # or "generous": riskState and date ranges too
    risk_page: tuple[int, int] = (100, 500)  # default, maximum; unverified
    sign_ins_need_directory_read: bool = False  # unverified: older pages demand Directory.Read.All as well
    usage_report_delay: float = 86_400.0  # the report on the use of credentials shows what was so long ago
    usage_report_lists_unused: bool = False  # unverified: whether a credential that was never used is in it
    grant_records_name_both_ids: bool = False  # records of real tenants name the client by one: app roles by appId
    sign_in_page: tuple[int, int] = (1000, 1000)
    audit_page: tuple[int, int] = (100, 1000)
    directory_page: tuple[int, int] = (100, 999)
    throttling: bool = True
    identity_protection_per_second: int = 1
    reports_per_10_seconds: int = 5
    resource_units_per_10_seconds: int = 8000  # S 3500, M 5000, L 8000
    vault_creations_per_10_seconds: int = 300  # per vault; of a subscription's vaults together five times as many
    vault_transactions_per_10_seconds: int = 4000
    permute_batches: bool = True

    @classmethod
    def from_scenario(cls, given: Mapping[str, Any]) -> "Behaviour":
        """`{"readLag": 0, "readLagShare": 0.2, "latency": {"network": "60ms", "service": "40ms"}, ...}`"""
        flat = {**given, **given.get("latency", {})}
        flat.pop("latency", None)
        fields = {_camel(field.name): field for field in dataclasses.fields(cls)}
        known_keys(flat, fields, "behaviour")
        read: dict[str, Any] = {fields[key].name: _read(fields[key].default, flat[key], key) for key in flat}
        return cls(**read)

    @classmethod
    def gentle(cls, **changes: Any) -> "Behaviour":  # noqa: ANN401 - the fields' own types
        """No lag, no latency, no throttling, logs at once: for tests of something else, and null runs."""
        calm = cls(
            network=0.0,
            service=0.0,
            read_lag=0.0,
            fresh_for=(0.0, 0.0),
            audit_delay=(0.0, 0.0),
            sign_in_delay=(0.0, 0.0),
            vault_log_delay=(0.0, 0.0),
            workspace_delay=(0.0, 0.0),
            usage_report_delay=0.0,
            access_delay=(0.0, 0.0),
            activity_delay=(0.0, 0.0),
            diagnostics_delay=(0.0, 0.0),
            event_delay=(0.0, 0.0),
            operation=(0.0, 0.0),
            resource_graph_delay=0.0,
            certificate_pending=(0.0, 0.0),
            password_settles=0.0,
            policy_delay=0.0,
            throttling=False,
            permute_batches=False,
        )
        return dataclasses.replace(calm, **changes)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _read(default: object, value: object, key: str) -> object:
    """Read `value` as what the field's default is: a switch, a word, a count, a duration or a pair of either."""
    where = f"behaviour.{key}"
    if isinstance(default, tuple):
        pair: list[object] = list(value) if isinstance(value, list | tuple) else [value, value]  # type: ignore[reportUnknownArgumentType]
        if len(pair) != 2:
            raise ScenarioMistake(f"{where}: a pair [from, to] was expected")
        return tuple(_read(default[0], each, key) for each in pair)  # type: ignore[reportUnknownArgumentType]
    if isinstance(default, float):
        return seconds(value, where)
    if type(value) is not type(default):
        raise ScenarioMistake(f"{where}: {value!r} is not like {default!r}")
    return value
