"""
How much a federated credential trusts: whom (the issuer), and which of its workloads (the subject). Pure.

Entra compares issuer, subject and audience letter by letter, so a star in a subject matches nothing but itself; what
is wide is a subject that many can bring about, or an expression (`claimsMatchingExpression`, beta) that matches many.
Facts: Entra docs workload-identity-federation, Graph docs federatedIdentityCredential.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.case import FederatedCredential
from shared.signal import JsonObject


class Breadth(StrEnum):
    """What is too wide about a trust. Values are the policy's words."""

    UNKNOWN_ISSUER = "unknown-issuer"  # none of the well-known platforms, nor one that the policy names
    FOREIGN_TENANT = "foreign-tenant"  # an Entra tenant that is not this one
    INSECURE_ISSUER = "insecure-issuer"  # not https, a bare address, a port of its own
    WIDE_SUBJECT = "wide-subject"  # many workloads can show it
    ODD_AUDIENCE = "odd-audience"  # not the one that exchange tokens are made for


AUDIENCES = frozenset(
    {
        "api://azureadtokenexchange",
        "api://azureadtokenexchangeusgov",
        "api://azureadtokenexchangechina",
    }
)
_PLATFORMS = (
    re.compile(r"token\.actions\.githubusercontent\.com"),
    re.compile(r"gitlab\.com"),
    re.compile(r"app\.terraform\.io"),
    re.compile(r"accounts\.google\.com"),
    re.compile(r"cognito-identity\.amazonaws\.com"),
    re.compile(r"oidc\.eks\.[a-z0-9-]+\.amazonaws\.com"),
    re.compile(r"container\.googleapis\.com"),
    re.compile(r"[a-z0-9-]+\.oic\.prod-aks\.azure\.com"),
    re.compile(r"vstoken\.dev\.azure\.com"),
    re.compile(r"agent\.buildkite\.com"),
    re.compile(r"oidc\.circleci\.com"),
)
_ENTRA = re.compile(r"(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Subjects that more than the owner of a branch, environment or account can bring about.
_WIDE = (
    (re.compile(r"repo:[^:]+:pull_request"), "any pull request of the repository"),
    (re.compile(r"project_path:[^:]+:ref_type:[^:]+:ref:\*"), "any branch of the project"),
    (re.compile(r"system:serviceaccount:[^:]+:default"), "any pod of the namespace that names no account of its own"),
    (re.compile(r"organization:[^:]+:project:[^:]+:workspace:\*:.*"), "any workspace of the project"),
    (re.compile(r"[^A-Za-z0-9]*"), "nobody in particular"),
)
_MATCHES = re.compile(r"\bmatches\s+'(?P<pattern>[^']*)'", re.IGNORECASE)


def breadth_of(
    credential: FederatedCredential, tenant_id: str, trusted: frozenset[str]
) -> Iterator[tuple[Breadth, str]]:
    """What is wide about this credential, in the order of `Breadth`. `trusted`: issuers that the policy names."""
    yield from _of_issuer(credential.issuer, tenant_id, trusted)
    yield from _of_subject(credential)
    for audience in _audiences(credential.raw):
        if audience.casefold() not in AUDIENCES:
            yield Breadth.ODD_AUDIENCE, f"it takes tokens made for “{audience}”"


def plain_issuer(text: str) -> str:
    """An issuer as policies compare it: without case of its host and without a slash at its end."""
    return text.strip().rstrip("/").casefold()


def _of_issuer(issuer: str, tenant_id: str, trusted: frozenset[str]) -> Iterator[tuple[Breadth, str]]:
    if plain_issuer(issuer) in trusted:
        return
    try:
        parts = urlsplit(issuer)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        yield Breadth.UNKNOWN_ISSUER, f"its issuer “{issuer}” is no address"
        return
    if _ENTRA.fullmatch(host):
        named = _GUID.search(parts.path)
        if named is None or named[0].lower() != tenant_id.lower():
            yield Breadth.FOREIGN_TENANT, f"it trusts the Entra tenant of {issuer}"
    elif not any(platform.fullmatch(host) for platform in _PLATFORMS):
        yield Breadth.UNKNOWN_ISSUER, f"it trusts {issuer}, which is none of the known platforms"
    if parts.scheme.casefold() != "https" or port not in (None, 443) or parts.username or _is_address(host):
        yield Breadth.INSECURE_ISSUER, f"its issuer {issuer} is not plain https at a name"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _of_subject(credential: FederatedCredential) -> Iterator[tuple[Breadth, str]]:
    expression = _expression(credential.raw)
    if expression is not None:
        if reason := _wide_expression(expression):
            yield Breadth.WIDE_SUBJECT, reason
        return
    subject = credential.subject
    if subject is None:
        yield Breadth.WIDE_SUBJECT, "it names no subject"
        return
    for pattern, whom in _WIDE:
        if pattern.fullmatch(subject):
            yield Breadth.WIDE_SUBJECT, f"its subject “{subject}” admits {whom}"
            return


def _expression(raw: JsonObject) -> str | None:
    """`claimsMatchingExpression{value, languageVersion}`, of beta; v1.0 does not show it."""
    held = raw.get("claimsMatchingExpression")
    value = held.get("value") if isinstance(held, dict) else held
    return value if isinstance(value, str) and value else None


def _wide_expression(expression: str) -> str | None:
    """A pattern is wide if a star stands where the repository, project or branch would have to be named whole."""
    patterns = [found["pattern"] for found in _MATCHES.finditer(expression)]
    for pattern in patterns:
        fixed = pattern.split("*", 1)[0]
        if "*" in pattern and fixed.count(":") < 2:
            return f"its expression admits every subject like “{pattern}”"
    return None


def _audiences(raw: JsonObject) -> list[str]:
    held = raw.get("audiences")
    return [each for each in held if isinstance(each, str)] if isinstance(held, list) else []
