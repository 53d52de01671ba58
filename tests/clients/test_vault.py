"""Making certificates in the hand-over vault: once, found again after a crash, and only the public part comes out."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any, TypeVar

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError, ServiceResponseTimeoutError

from drill.virtual_time import virtual_clock
from shared.clients.vault import KeyVaultHandover
from shared.errors import (
    IncompleteAnswer,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    Unreachable,
)
from shared.tenant import NewCertificate
from tests.clients.fake_azure import FakeAzure, Json, Said, Sent
from tests.clients.fake_graph import Credential, play, seeded

T = TypeVar("T")

VAULT = "https://handover.vault.azure.net"
VERSION = "0123456789abcdef0123456789abcdef"
CER = b"not really DER"


def item(operation: str = "op-1", version: str = VERSION, created: int = 1_772_420_000, **attributes: object) -> Json:
    return {
        "id": f"{VAULT}/certificates/cordon-1/{version}",
        "attributes": {"enabled": True, "created": created, **attributes},
        "tags": {"cordon-operation": operation},
    }


class Vault:
    """The vault's answers: a pending operation for some questions, then the versions."""

    def __init__(self, *versions: Json, pending: int = 0) -> None:
        self.versions = list(versions)
        self.pending = pending
        self.orders: list[Json] = []
        self.on_create: Said | Exception = Said(202, {"status": "inProgress"})

    def __call__(self, sent: Sent) -> Said | Exception:
        if sent.method == "POST":
            self.orders.append(sent.body)
            return self.on_create
        match sent.path.removeprefix("/certificates/cordon-1/"):
            case "pending":
                left, self.pending = self.pending, self.pending - 1
                return Said(200, {"status": "inProgress" if left > 0 else "completed"})
            case "versions":
                return Said(200, {"value": self.versions, "nextLink": None})
            case version:
                attributes = {"enabled": True, "nbf": 1_772_400_000, "exp": 1_803_900_000}
                return Said(200, {"cer": b64encode(CER + version.encode()).decode(), "attributes": attributes})


def at(
    vault: Callable[[Sent], Said | Exception], act: Callable[[KeyVaultHandover], Awaitable[T]], **more: Any
) -> tuple[T, FakeAzure, float]:
    transport = FakeAzure(vault)
    transport.closed_to = more.get("closed_to")

    async def story() -> tuple[T, float]:
        clock = virtual_clock()
        handover = KeyVaultHandover(VAULT, Credential(), transport=lambda: transport, clock=clock.now, random=seeded())
        return await act(handover), clock.elapsed

    found, elapsed = play(story)
    return found, transport, elapsed


def find(
    vault: Callable[[Sent], Said | Exception], operation: str = "op-1", **more: Any
) -> tuple[NewCertificate | None, FakeAzure, float]:
    return at(vault, lambda handover: handover.find_certificate("cordon-1", operation), **more)


def make(vault: Callable[[Sent], Said | Exception], **more: Any) -> tuple[NewCertificate, FakeAzure, float]:
    return at(vault, lambda handover: handover.make_certificate("cordon-1", "CN=payroll", "op-1"), **more)


def test_a_certificate_is_ordered_with_a_key_that_cannot_leave_and_waited_for() -> None:
    """Self-signed, RSA 2048, not exportable, a new key, one year, tagged with the operation."""
    vault = Vault(item(), pending=3)
    made, transport, elapsed = make(vault)

    (order,) = vault.orders
    assert order["policy"]["key_props"] == {"exportable": False, "kty": "RSA", "key_size": 2048, "reuse_key": False}
    assert order["policy"]["issuer"] == {"name": "Self"}
    assert order["policy"]["x509_props"] == {"subject": "CN=payroll", "validity_months": 12}
    assert order["tags"] == {"cordon-operation": "op-1"}
    assert elapsed == 6.0
    assert made == NewCertificate(
        name="cordon-1",
        version=VERSION,
        cer=CER + VERSION.encode(),
        thumbprint=sha1(CER + VERSION.encode(), usedforsecurity=False).hexdigest().upper(),
        not_before=datetime.fromtimestamp(1_772_400_000, UTC),
        expires=datetime.fromtimestamp(1_803_900_000, UTC),
    )
    assert {sent.url.partition("/certificates")[0] for sent in transport.sent} == {VAULT}


def test_a_certificate_of_this_operation_is_found_again() -> None:
    """After a crash the tag tells whose it is; the newest of several counts."""
    newer = item(version="f" * 32, created=1_772_430_000)
    found, _, _ = find(Vault(item(), newer, item("op-2", "e" * 32, created=1_772_440_000)))

    assert found is not None
    assert found.version == "f" * 32


def test_one_that_is_still_being_made_is_waited_for_before_the_vault_is_called_empty() -> None:
    """A pending operation shows no tag: it may be ours, and a second order would make two."""
    found, _, elapsed = find(Vault(item(), pending=2))

    assert found is not None
    assert elapsed == 4.0


def test_one_that_never_gets_made_is_not_called_absent() -> None:
    """After two minutes the vault's state is unknown, and another certificate must not be ordered."""
    with pytest.raises(Unreachable, match="still being made"):
        find(Vault(pending=10**6))


@pytest.mark.parametrize(
    "versions",
    [
        [],
        [item("op-2")],
        [item(enabled=False)],
        [{**item(), "tags": None}],
        [{**item(), "tags": {"cordon-operation": None}}],
    ],
    ids=["empty", "another's", "disabled", "no tags", "no operation"],
)
def test_a_vault_without_this_operations_certificate_says_so(versions: list[Json]) -> None:
    """None means that it was looked, and that nothing of this operation is there."""
    assert find(Vault(*versions))[0] is None


def test_a_vault_that_never_heard_the_name_has_none() -> None:
    """404 for both the pending operation and the versions."""
    assert find(lambda _: Said(404, {"error": {"code": "CertificateNotFound"}}))[0] is None


@pytest.mark.parametrize(
    "lost",
    [
        ServiceResponseError("reset"),
        ServiceResponseTimeoutError("slow"),
        Said(500, {}),
        Said(504, b"<html>"),
        Said(429, {}, {"retry-after": "1"}),
        Said(202, b'{"status": "inPro'),
        Said(409, {"error": {"code": "Conflict", "message": "has a pending operation."}}),
    ],
    ids=["reset", "timeout", "500", "504", "429", "cut", "409"],
)
def test_an_order_without_a_clear_answer_is_never_sent_again(lost: Said | Exception) -> None:
    """A second order would make a second certificate: the outcome is unknown, and a search tells."""
    vault = Vault(item())
    vault.on_create = lost

    with pytest.raises(OutcomeUnknown):
        make(vault)
    assert len(vault.orders) == 1


def test_an_order_that_never_left_made_nothing() -> None:
    """Without a connection it is known that nothing was ordered."""
    with pytest.raises(Unreachable):
        make(Vault(), closed_to=ServiceRequestError("refused"))


def forbidden(code: str) -> Said:
    return Said(
        403, {"error": {"code": "Forbidden", "message": "Caller is not authorized.", "innererror": {"code": code}}}
    )


def test_a_missing_role_is_named() -> None:
    """ForbiddenByRbac: the operator reads which role on which vault."""
    with pytest.raises(PermissionMissing, match="Key Vault Certificates Officer"):
        find(lambda _: forbidden("ForbiddenByRbac"))


def test_a_firewall_is_not_mistaken_for_a_missing_role() -> None:
    """Granting a role would not help against the vault's network rules."""
    with pytest.raises(PlatformRefused, match="firewall"):
        find(lambda _: forbidden("ForbiddenByFirewall"))


def test_a_deleted_certificate_that_could_come_back_is_a_refusal() -> None:
    """Its name is taken until it is recovered or purged, and no waiting changes that."""
    vault = Vault()
    vault.on_create = Said(
        409, {"error": {"code": "Conflict", "innererror": {"code": "ObjectIsDeletedButRecoverable"}}}
    )

    with pytest.raises(PlatformRefused) as told:
        make(vault)
    assert told.value.code == "ObjectIsDeletedButRecoverable"


def test_reads_are_repeated_and_orders_are_not() -> None:
    """A stumble while looking costs a second, not an error."""
    calm, struck = Vault(item()), list[int]()

    def stumbling(sent: Sent) -> Said | Exception:
        if sent.path.endswith("versions") and len(struck) < 2:
            struck.append(1)
            return Said(503, {})
        return calm(sent)

    assert find(stumbling)[0] is not None


@pytest.mark.parametrize(
    "link",
    ["https://evil.example/certificates/x/versions", "https://handover.vault.azure.net.evil.example/x", "/x", 7, ""],
)
def test_a_next_link_to_another_host_is_not_followed(link: object) -> None:
    """The vault's token goes to the vault of the settings and nowhere else."""
    calm = Vault(item())

    def luring(sent: Sent) -> Said | Exception:
        return Said(200, {"value": [], "nextLink": link}) if sent.path.endswith("versions") else calm(sent)

    with pytest.raises(IncompleteAnswer):
        find(luring)


def test_versions_on_a_later_page_are_found() -> None:
    """Twenty-five versions a page: the newest may be on the last one."""
    calm = Vault(item())

    def paged(sent: Sent) -> Said | Exception:
        if sent.path.endswith("versions") and "skiptoken" not in sent.url:
            link = f"{VAULT}/certificates/cordon-1/versions?api-version=7.5&$skiptoken=2"
            return Said(200, {"value": [item("op-2")], "nextLink": link})
        return calm(sent)

    assert find(paged)[0] is not None


def test_a_link_that_leads_back_ends_the_search_with_an_error() -> None:
    """A list without an end is not read for ever."""
    link = f"{VAULT}/certificates/cordon-1/versions?$skiptoken=2"
    calm = Vault()

    def circling(sent: Sent) -> Said | Exception:
        return Said(200, {"value": [], "nextLink": link}) if sent.path.endswith("versions") else calm(sent)

    with pytest.raises(IncompleteAnswer):
        find(circling)


@pytest.mark.parametrize(
    "body", [{"attributes": {}}, {"cer": "%%%", "attributes": {"nbf": 1, "exp": 2}}, {"cer": 7}, {"cer": ""}]
)
def test_a_certificate_that_cannot_be_read_is_not_half_read(body: Json) -> None:
    """No thumbprint is made up."""
    calm = Vault(item())

    with pytest.raises(Unreachable):
        find(lambda sent: Said(200, body) if sent.path.endswith(VERSION) else calm(sent))


@pytest.mark.parametrize("name", ["", "../keys/x", "a/b", "x" * 128, "a b"])
def test_a_name_that_is_none_never_reaches_an_address(name: str) -> None:
    """Names come from incidents; what is not a certificate's name is refused before it is sent."""
    with pytest.raises(PlatformRefused):
        at(Vault(), lambda handover: handover.make_certificate(name, "CN=x", "op"))
