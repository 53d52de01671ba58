"""What responders send: request bodies and query parameters."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from functions.contract import BRANCH, Input, without_null
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId, canonical_guid

_GUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
# One line: it starts with something visible and has no control characters, which could fake a line of a log.
_LINE = r"^[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_TOKEN = r"^[A-Za-z0-9._:\-]+$"  # noqa: S105 — a token as in grammars

Guid = Annotated[str, Field(pattern=_GUID, min_length=36, max_length=36)]
Line = Annotated[str, Field(pattern=_LINE, min_length=1, max_length=500)]
ActionName = Annotated[str, Field(pattern=_NAME, min_length=1, max_length=60)]


def _exactly_one(schema: dict[str, Any]) -> None:
    """Pydantic's schema would allow null, none, and several."""
    schema["properties"] = {name: without_null(value) for name, value in schema["properties"].items()}
    schema["minProperties"] = schema["maxProperties"] = 1


class IdentityBody(Input):
    """One workload identity, by exactly one of its three ids. Display names are not accepted: they are not unique."""

    model_config = ConfigDict(json_schema_extra=_exactly_one)

    service_principal_id: Guid | None = Field(default=None, description="Object id of the service principal.")
    app_id: Guid | None = Field(default=None, description="Application (client) id.")
    application_object_id: Guid | None = Field(default=None, description="Object id of the application.")

    @model_validator(mode="after")
    def _has_one(self) -> "IdentityBody":
        given = [value for value in (self.service_principal_id, self.app_id, self.application_object_id) if value]
        if len(given) != 1 or len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of servicePrincipalId, appId, applicationObjectId")
        return self

    def ref(self) -> IdentityRef:
        """The identity in our words, its id in canonical spelling."""
        principal, client, application = self.service_principal_id, self.app_id, self.application_object_id
        return IdentityRef(
            principal_id=PrincipalId(canonical_guid(principal)) if principal else None,
            client_id=ClientId(canonical_guid(client)) if client else None,
            app_object_id=AppObjectId(canonical_guid(application)) if application else None,
        )


class ActionBody(Input):
    """An action with its options, as in a policy file."""

    name: ActionName
    options: dict[str, JsonValue] = Field(default={}, max_length=20)


def _branch(value: object) -> str:
    return _BY_NAME if isinstance(value, str) else _WITH_OPTIONS


# An explicit choice, so that a mistake is reported for the branch that was meant and not for both.
_BY_NAME, _WITH_OPTIONS = f"{BRANCH}name", f"{BRANCH}options"
OneAction = Annotated[
    Annotated[ActionName, Tag(_BY_NAME)] | Annotated[ActionBody, Tag(_WITH_OPTIONS)], Discriminator(_branch)
]
Actions = Annotated[
    list[OneAction],
    Field(min_length=1, max_length=20, description="Actions of the catalogue; without them, those of the policy."),
]
By = Annotated[Line, Field(max_length=100, description="Who asks, for the journal. It is not verified.")]


class PlanBody(Input):
    """What to preview."""

    identity: IdentityBody
    actions: Actions | None = None
    reason: Line | None = Field(default=None, description="Why, for those who read the preview.")
    by: By | None = None


class OrderBody(Input):
    """What to contain, and why."""

    identity: IdentityBody
    reason: Line = Field(description="Why, for the journal and the report.")
    actions: Actions | None = None
    plan_hash: str | None = Field(
        default=None,
        pattern=_TOKEN,
        min_length=8,
        max_length=128,
        description="The hash of the plan that was previewed: if things are different now, nothing is done (409).",
    )
    by: By | None = None


def _whole(value: object) -> object:
    """In JSON 1.0 is an integer as well."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Tier = Annotated[int, Field(ge=1, le=3), BeforeValidator(_whole)]
Tiers = Annotated[list[Tier], Field(min_length=1, max_length=3)]


class ApprovalBody(Input):
    """A person's answer to a waiting plan."""

    plan_hash: str = Field(pattern=_TOKEN, min_length=8, max_length=128, description="The plan that was looked at.")
    decision: Literal["approve", "decline"]
    reason: Line = Field(description="Why, for the journal and the report.")
    by: By | None = None
    tiers: Tiers | None = Field(
        default=None, description="Of a plan to rotate secrets: which of the tiers that wait; without it, all of them."
    )


class VerdictBody(Input):
    """A person's verdict on an incident."""

    verdict: Literal["compromised", "dismissed"]
    reason: Line = Field(description="Why, for the journal and the report.")
    by: By | None = None


class UndoBody(Input):
    """The way back of an incident: all of it, or some of its steps."""

    reason: Line = Field(description="Why, for the journal and the report.")
    by: By | None = None
    steps: Annotated[list[Line], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Ids of steps to undo; without it, all. The certificate that Cordon made goes only if named.",
    )
    give_back: Annotated[list[Line], Field(max_length=100)] = Field(
        default=[],
        description="Ids of credentials that come back although a detection accuses them.",
    )
    preview: bool = Field(default=False, description="Only show what would be done now.")


class SwitchBody(Input):
    """Whether effects are stopped, and why."""

    state: Literal["stopped", "running"]
    reason: Line = Field(description="Why, for the log and for the reports of what was stopped.")
    by: By | None = None


class PageQuery(Input):
    """Which part of the list."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many at most.")] = 50
    after: str | None = Field(
        default=None, pattern=_TOKEN, min_length=1, max_length=200, description="`next` of the page before."
    )


_OPAQUE = r"^[!-~]+$"  # Graph's own: it becomes a value of a query, and nothing else


class OwnersQuery(Input):
    """Which applications, and which part of the list. A page costs three requests for each twenty."""

    listing: Literal["enterprise", "registered"] = Field(
        default="enterprise", description="Those that can sign in here, or those that are registered here."
    )
    limit: Annotated[int, Field(ge=1, le=100, description="How many at most.")] = 20
    after: str | None = Field(
        default=None, pattern=_OPAQUE, min_length=1, max_length=4000, description="`next` of the page before."
    )


class ConsentsQuery(Input):
    """Which part of the list."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many consents are looked at.")] = 100
    after: str | None = Field(
        default=None, pattern=_OPAQUE, min_length=1, max_length=4000, description="`next` of the page before."
    )


class ReportQuery(Input):
    """In which form, if not as Accept says."""

    format: Literal["markdown", "json"] | None = Field(default=None, description="Wins over the Accept header.")
