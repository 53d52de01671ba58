"""
Rotate what the identity exposed: secrets that it read first, then what lies beside them, then what it reaches.

It is no action but a follow-up: it takes from minutes to days, so that it has a journal of its own and begins
when the identity is cut off. Here is what a policy can say about it, and what the plan shows of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, cast

from shared.actions.declared import SCHEMA, read_declared
from shared.actions.interface import Means, Planning
from shared.case import IdentityState
from shared.clock import read_duration
from shared.entries import Change, NamedOutcome, PlannedStep
from shared.signal import JsonObject, JsonValue

NAME = "rotate-secrets"
_TIERS = (1, 2, 3)
_WORDS: Mapping[str, tuple[str, ...]] = {
    "single-credential": ("break", "ask"),
    "disable-old": ("after-grace", "never"),
    "unrecognised": ("delegate", "disable", "ask"),
    "owners-word": ("attention", "accept"),
    "deleted": ("attention", "accept"),
}
_LONGEST_GRACE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class RotationOptions:
    """
    What a policy says of a rotation. `ask` are the tiers that wait for a person. `single_credential`: whether a
    credential that the source holds only once is replaced at once, so that consumers break, or a person is asked.
    `owners_word`: whether a rotation may end whole where an owner's word is all that says that a value is dead.
    `deleted`: whether it may where a vault, or a secret that no log shows to be read, was deleted.
    """

    tiers: tuple[int, ...] = _TIERS
    ask: tuple[int, ...] = (3,)
    grace: timedelta = timedelta(minutes=15)
    single_credential: Literal["break", "ask"] = "ask"
    disable_old: Literal["after-grace", "never"] = "after-grace"
    unrecognised: Literal["delegate", "disable", "ask"] = "delegate"
    owners_word: Literal["attention", "accept"] = "attention"
    deleted: Literal["attention", "accept"] = "attention"
    subscriptions: tuple[str, ...] = ()  # declared to be all of the tenant's

    @classmethod
    def read(cls, options: Mapping[str, JsonValue]) -> "RotationOptions":
        """The options as a policy file gives them. Raises ValueError, with what is allowed."""
        known = ("tiers", "ask", "grace", *_WORDS, *SCHEMA)
        if unknown := sorted(set(options) - set(known)):
            raise ValueError(f"{NAME} has no option {unknown[0]}; there are {', '.join(known)}")
        defaults = cls()
        return cls(
            tiers=_tiers("tiers", options.get("tiers", list(defaults.tiers)), at_least=1),
            ask=_tiers("ask", options.get("ask", list(defaults.ask))),
            grace=_grace(options["grace"]) if "grace" in options else defaults.grace,
            single_credential=cast('Literal["break", "ask"]', _word("single-credential", options, "ask")),
            disable_old=cast('Literal["after-grace", "never"]', _word("disable-old", options, "after-grace")),
            unrecognised=cast('Literal["delegate", "disable", "ask"]', _word("unrecognised", options, "delegate")),
            owners_word=cast('Literal["attention", "accept"]', _word("owners-word", options, "attention")),
            deleted=cast('Literal["attention", "accept"]', _word("deleted", options, "attention")),
            subscriptions=read_declared(NAME, options),
        )


def _tiers(name: str, value: JsonValue, at_least: int = 0) -> tuple[int, ...]:
    given = value if isinstance(value, list) else None
    if given is None or len(given) < at_least or any(isinstance(e, bool) or e not in _TIERS for e in given):
        raise ValueError(f"{name} of {NAME} is a list of tiers: 1 read, 2 beside what was read, 3 within reach")
    return tuple(sorted({cast("int", each) for each in given}))


def _grace(value: JsonValue) -> timedelta:
    try:
        grace = read_duration(value)
    except ValueError as problem:
        raise ValueError(f"grace of {NAME} {problem}") from problem
    if grace > _LONGEST_GRACE:
        raise ValueError(f"grace of {NAME} is at most 7d: the exposed value opens the door all the while")
    return grace


def _word(name: str, options: Mapping[str, JsonValue], default: str) -> str:
    value = options.get(name, default)
    if value not in _WORDS[name]:
        raise ValueError(f"{name} of {NAME} is one of {', '.join(_WORDS[name])}")
    return str(value)


def _tier_list(at_least: int, default: tuple[int, ...], description: str) -> JsonObject:
    items: JsonObject = {"enum": [*_TIERS]}
    bounds: JsonObject = {"minItems": at_least, "maxItems": 3}
    return {"type": "array", "items": items, **bounds, "default": [*default], "description": description}


_MEANINGS: Mapping[str, tuple[str, str]] = {
    "single-credential": ("ask", "Whether one that its source holds only once is replaced, so that consumers break."),
    "disable-old": ("after-grace", "Whether versions that hold the exposed value are disabled."),
    "unrecognised": ("delegate", "What becomes of a secret that no rotator recognises: its owner is told, or it goes."),
    "owners-word": (
        "attention",
        "Whether a person looks where only an owner's tag says that an exposed value is dead.",
    ),
    "deleted": (
        "attention",
        "Whether a person looks at vaults that were deleted, and at deleted secrets that no log shows to be read.",
    ),
}


def _word_schema(name: str) -> JsonObject:
    default, meaning = _MEANINGS[name]
    return {"enum": [*_WORDS[name]], "default": default, "description": meaning}


class RotateSecrets:
    """Find the secrets that the identity exposed, and make what it knows worthless, in the order of the tiers."""

    name: ClassVar[str] = NAME
    rank: ClassVar[int] = 110

    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "tiers": _tier_list(
                1, _TIERS, "The tiers that are rotated: 1 read, 2 beside what was read, 3 within reach."
            ),
            "ask": _tier_list(0, (3,), "The tiers that wait for a person's approval."),
            "grace": {
                "type": "string",
                "examples": ["PT15M", "1h"],
                "default": "PT15M",
                "description": "How long consumers have to read the new value before the exposed one dies; at most 7d.",
            },
            **{name: _word_schema(name) for name in _WORDS},
            **SCHEMA,
        },
        "additionalProperties": False,
    }

    def check_options(self, options: JsonObject) -> None:
        read = RotationOptions.read(options)
        if "ask" in options and (left := sorted(set(read.ask) - set(read.tiers))):
            raise ValueError(f"ask of {NAME} names tier {left[0]}, which is not among its tiers")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        if not means.estate:
            return Planning(not_done=(_NO_ESTATE,))
        return Planning((_step(state, options),))


def _step(state: IdentityState, options: JsonObject) -> PlannedStep:
    chosen = RotationOptions.read(options)
    tiers = ", ".join(map(str, chosen.tiers))
    asked = f"; a person is asked before tier {', '.join(map(str, chosen.ask))}" if chosen.ask else ""
    return PlannedStep(
        id=NAME,
        action=NAME,
        target_kind="service-principal",
        target_id=state.identity.principal_id,
        target_name=state.identity.display_name,
        describe=f"Find the secrets that it read or can read, and rotate those of tier {tiers}{asked}.",
        changes=(Change(property="exposed secrets", before="open what they open", after="worthless"),),
        options=options,
        reversible=False,
        cannot_be_undone="An exposed credential that is dead stays dead; the new ones stay in the vaults.",
        breaks="Consumers that keep an old value longer than the grace, and those of credentials that exist only once.",
        contains=False,
        watched=False,
        lasting=True,
    )


_NO_ESTATE = NamedOutcome(
    action=NAME,
    outcome="azure-not-configured",
    reason="Cordon has no way to the vaults: set CORDON_ROTATOR_CLIENT_ID, and grant it what rotating needs.",
)
