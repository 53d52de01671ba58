"""The JSON Schema for editors follows from the catalogue."""

import json
from functools import cache
from pathlib import Path

import pytest
import yaml

from shared.actions import policy_actions
from shared.conditions import CONDITIONS
from shared.policy_schema import policy_schema, schema_text
from shared.signal import JsonObject

POLICIES = Path(__file__).parents[2] / "policies"
NAMES = list(policy_actions())

jsonschema = pytest.importorskip("jsonschema")  # comes with the OpenAPI validator


@cache
def schema() -> JsonObject:
    """Made once: it takes half a second."""
    return policy_schema(NAMES)


def is_valid(policy: object) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(policy)


def policy(**rule: object) -> object:
    usual = {"name": "a", "when": "sign-in-blocked", "verdict": "watch"}
    return {"version": 1, "rules": [{**usual, **rule}]}


def test_the_committed_schema_is_current() -> None:
    """If not: python -m drill schema."""
    assert (POLICIES / "policy.schema.json").read_text("utf-8") == schema_text(NAMES)


def test_every_condition_and_action_is_in_it() -> None:
    """An editor offers what the catalogue has."""
    text = json.dumps(schema())

    assert all(f'"{name}"' in text for name in (*NAMES, *(condition.name for condition in CONDITIONS)))


def test_the_shipped_policy_is_valid() -> None:
    """The schema and the shipped file agree."""
    assert is_valid(yaml.safe_load((POLICIES / "default.yaml").read_text("utf-8")))


@pytest.mark.parametrize(
    ("made", "valid"),
    [
        (policy(), True),
        (policy(when={"not": {"risk-detection": {"within": "24h"}}}), True),
        (policy(verdict="contain", actions=["block-sign-in"]), True),
        (policy(verdict="contain"), False),
        (policy(actions=["block-sign-in"]), False),
        (policy(verdict="contain", actions=["block-signin"]), False),
        (policy(when={"any": []}), False),
        (policy(when={"risk-detection": {"types": ["leakedCredential"]}}), False),
        (policy(when={"risk-detection": {}, "sign-in-blocked": {}}), False),
        (policy(when="identity-kind"), False),
        (policy(colour="red"), False),
        (policy(verdict="contain", actions=[{"rotate-secrets": {"tiers": [1], "ask": [3], "grace": "1h"}}]), True),
        (policy(verdict="contain", actions=[{"rotate-secrets": {"tiers": list[int]()}}]), False),
        (policy(verdict="contain", actions=[{"rotate-secrets": {"tiers": [4]}}]), False),
        (policy(verdict="contain", actions=[{"rotate-secrets": {"single-credential": "brake"}}]), False),
        (policy(verdict="contain", actions=[{"rotate-secrets": {"grace-time": "1h"}}]), False),
        (policy(verdict="contain", actions=[{"cut-vault-access": {"self-granting": "remove"}}]), True),
        (policy(verdict="contain", actions=[{"cut-vault-access": {"self-granting": "yes"}}]), False),
        (policy(verdict="contain", actions=[{"block-sign-in": {"gently": True}}]), False),
        (policy(verdict="contain", actions=[{"replace-credentials": {"only": "accused"}}]), True),
        (policy(verdict="contain", actions=[{"replace-credentials": {"only": "suspected"}}]), False),
        (policy(verdict="contain", actions=[{"remove-app-roles": {"added-since": "24h"}}]), True),
        (policy(verdict="contain", actions=[{"remove-app-roles": {"since": "24h"}}]), False),
        (policy(samples={"must-fire": [{"detections": ["leakedCredentials"]}]}), True),
        (policy(samples={"must-fire": [{"detections": "unreadable", "risk": {"level": "high"}}]}), True),
        (policy(samples={"must-fires": [{"risk": "low"}]}), False),
        (policy(samples={"must-fire": []}), False),
        (policy(samples={"must-ask": [{"detections": ["leakedCredential"]}]}), False),
        (policy(samples={"must-fire": [{"grants": {"app-roles": ["Mail.Read"]}}]}), True),
        (policy(samples={"must-fire": [{"grants": {"app-roles": ["Mail.Reed"]}}]}), False),
        (policy(samples={"must-fire": [{"audits": [{"activity": "Update application", "by": "cordon"}]}]}), True),
        (policy(samples={"must-fire": [{"audits": [{"activity": "Update application", "by": "nobody"}]}]}), False),
    ],
)
def test_it_catches_what_an_editor_can_catch(made: object, valid: bool) -> None:
    """Names, shapes and empty groups; the rest is said when the policy is loaded."""
    assert is_valid(made) is valid
