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
    UNKNOWN_OWNER = "unknown-owner"  # on a platform that many share, and of nobody whom the policy names


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
# Whose cluster it is stands in the address alone: inside, its owner calls everything as he likes.
_CLUSTERS = (
    re.compile(r"oidc\.eks\.[a-z0-9-]+\.amazonaws\.com"),
    re.compile(r"container\.googleapis\.com"),
    re.compile(r"[a-z0-9-]+\.oic\.prod-aks\.azure\.com"),
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
_ASKS_SUBJECT = re.compile(r"claims\['sub'\]\s+(?:eq|matches)\s+'(?P<subject>[^']*)'", re.IGNORECASE)
_ANYTHING = re.compile(r"[*?]")  # any text, any letter


def breadth_of(
    credential: FederatedCredential, tenant_id: str, trusted: frozenset[str], owners: tuple[str, ...] | None = None
) -> Iterator[tuple[Breadth, str]]:
    """
    What is wide about this credential, in the order of `Breadth`. `trusted`: issuers that the policy names; `owners`:
    how the subjects begin that it names, None where it does not.
    """
    yield from _of_issuer(credential.issuer, tenant_id, trusted)
    yield from _of_subject(credential)
    for audience in _audiences(credential.raw):
        if audience.casefold() not in AUDIENCES:
            yield Breadth.ODD_AUDIENCE, f"it takes tokens made for “{audience}”"
    if owners is not None and plain_issuer(credential.issuer) not in trusted:
        yield from _of_owner(credential, tenant_id, owners)


def _of_owner(
    credential: FederatedCredential, tenant_id: str, owners: tuple[str, ...]
) -> Iterator[tuple[Breadth, str]]:
    host = _host(credential.issuer)
    if any(cluster.fullmatch(host) for cluster in _CLUSTERS):
        yield Breadth.UNKNOWN_OWNER, f"it trusts the cluster {credential.issuer}, and anybody can run one there"
    elif any(platform.fullmatch(host) for platform in _PLATFORMS):
        for subject in _subjects(credential):
            if not any(_begins(subject, owner) for owner in owners):
                yield Breadth.UNKNOWN_OWNER, f"it admits “{subject}”, and anybody can have workloads on {host}"
                return
    elif _ENTRA.fullmatch(host) and tenant_id.lower() in credential.issuer.lower():
        for subject in _subjects(credential):
            if not any(_begins(subject, owner) for owner in owners):
                whose = "whoever gets at a machine of this tenant may have its token"
                yield Breadth.UNKNOWN_OWNER, f"it admits the managed identity “{subject}”, and {whose}"
                return


def _host(issuer: str) -> str:
    try:
        return (urlsplit(issuer).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _subjects(credential: FederatedCredential) -> list[str]:
    """The subjects, or patterns of them, that are admitted; an expression that asks for none admits any."""
    expression = _expression(credential.raw)
    if expression is None:
        return [credential.subject or ""]
    return [found["subject"] for found in _ASKS_SUBJECT.finditer(expression)] or [expression]


def _begins(subject: str, owner: str) -> bool:
    """Whole parts alone count: repo:contoso is not the beginning of repo:contoso-test."""
    rest = subject.casefold().removeprefix(owner.casefold())
    return rest != subject.casefold() and (owner[-1] in ":/" or rest[:1] in ("", ":", "/"))


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
    """A pattern is wide if it leaves open what the repository, project or branch is that it would have to name."""
    patterns = [found["pattern"] for found in _MATCHES.finditer(expression)]
    for pattern in patterns:
        fixed, *open_ = _ANYTHING.split(pattern, maxsplit=1)
        if open_ and fixed.count(":") < 2:
            return f"its expression admits every subject like “{pattern}”"
    return None


def _audiences(raw: JsonObject) -> list[str]:
    held = raw.get("audiences")
    return [each for each in held if isinstance(each, str)] if isinstance(held, list) else []
