"""What a responder is shown through HTTP: plain frozen models, made from the journal and the case."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.entries import Decided, IdentitySeen, NamedOutcome, PartRead, Planned
from shared.incident import Status


class View(BaseModel):
    """The base of all views."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)


class StepView(View):
    """One step and the last that is known of it."""

    id: str
    action: str
    target: str
    describe: str
    state: Literal["planned", "intended", "applied", "held", "not-held", "unknown", "stopped"]
    proof: str | None = None
    todo: str | None = None


class IncidentView(View):
    """One incident in short; `status` is derived from the journal at the moment of asking."""

    id: str
    status: Status
    opened_at: datetime
    updated_at: datetime
    mode: str
    identity: IdentitySeen | None
    subject: str
    verdict: str | None
    rule: str | None
    signals: int
    plan_hash: str | None
    steps: tuple[StepView, ...]
    not_done: tuple[NamedOutcome, ...]
    todo: tuple[str, ...]


class DamagedView(View):
    """An incident whose journal cannot be relied on: what is wrong, and what a person must do."""

    id: str
    damage: str
    todo: str


class IncidentPage(View):
    """A page of incidents, newest first; `next` is the `after` of the following page."""

    incidents: tuple[IncidentView, ...]
    next: str | None
    damaged: tuple[DamagedView, ...] = ()


class Preview(View):
    """What would be done now, made by the same code that does it. Nothing was changed, nothing is stored."""

    identity: IdentitySeen | None
    parts: tuple[PartRead, ...]
    decision: Decided
    plan: Planned | None
    held_back: str | None  # why the plan would not be carried out at once, if so


class CoverageView(View):
    """How far one log has been read."""

    feed: str
    read_until: datetime | None
    pending: tuple[str, ...]  # windows that still have to be read (again), with the reason


class SwitchView(View):
    """The stop switch as it stands now."""

    stopped: bool
    reason: str | None


class Health(View):
    """Whether Cordon can do its work, and what stands in the way."""

    status: Literal["healthy", "degraded", "unhealthy"]
    mode: str
    stopped: bool
    policy: str
    coverage: tuple[CoverageView, ...]
    problems: tuple[str, ...]
