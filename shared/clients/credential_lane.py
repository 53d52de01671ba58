"""
Writing credentials: one write after the other, many in one request, and no refusal stops the rest.

The writes go in `$batch`es whose requests wait for each other, because two writes to one object at the
same time collide (facts: Directory_ConcurrencyViolation). What stands behind a failed write was not
carried out and goes into the next batch. All of them may be repeated, so an answer that was lost is met
by sending the write again.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.case import HolderKind
from shared.clients.answers import Call, Method
from shared.clients.batch import MOST
from shared.clients.graph_http import GraphHttp, NotTried
from shared.clients.pacing import DIRECTORY_WRITES
from shared.clients.patience import Trouble
from shared.errors import Gone, OutcomeUnknown, PlatformRefused
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.tenant import (
    CredentialWrite,
    NewCertificate,
    RemoveFederated,
    RemovePassword,
    ReplaceKeys,
    SetInstanceLock,
    WriteDone,
    WriteRefused,
    WriteResult,
    WriteUnknown,
)

WRITE_DIRECTORY = "Application.ReadWrite.All"
_DISPLAY_NAME = 90  # characters, facts: Graph docs keyCredential
_RACES = 3  # tries of a removePassword that is answered 400: too soon after addPassword, it settles
_COLLECTIONS = {HolderKind.APPLICATION: "/applications", HolderKind.SERVICE_PRINCIPAL: "/servicePrincipals"}


@dataclass(slots=True)
class _Open:
    """A write without a result yet."""

    number: int
    write: CredentialWrite
    call: Call
    tries: int = 0
    lost: bool = False  # an answer to it was lost


class CredentialLane:
    """Carries out one sequence of writes. Make it, `run` it, throw it away."""

    def __init__(self, http: GraphHttp, writes: Sequence[CredentialWrite]) -> None:
        self._http = http
        self._results: dict[int, WriteResult] = {}
        self._open: list[_Open] = []
        self._waited = 0.0
        for number, write in enumerate(writes):
            try:
                self._open.append(_Open(number, write, call_for(write)))
            except ValueError:
                refusal = PlatformRefused(doing="changing credentials", code="not-a-guid", why="an id is not a GUID.")
                self._results[number] = WriteRefused(refusal)

    async def run(self) -> list[WriteResult]:
        """One result per write, in their order."""
        while self._open:
            some = self._open[:MOST]
            await self._http.pacing.take(DIRECTORY_WRITES, urgent=True, cost=len(some))
            found = await self._http.try_all([each.call for each in some], chain=True)
            pause = self._settle(some, found)
            if pause is not None:
                self._waited += pause
                await asyncio.sleep(pause)
        return [self._results[number] for number in sorted(self._results)]

    def _settle(self, some: Sequence[_Open], found: Sequence[JsonObject | Trouble]) -> float | None:
        """Note the results; give the pause before the next batch, if one of them is to be tried again."""
        stuck = all(isinstance(outcome, NotTried) for outcome in found)
        pauses: list[float] = []
        for each, outcome in zip(some, found, strict=True):
            if not isinstance(outcome, Trouble):
                self._results[each.number] = WriteDone()
            elif stuck or not isinstance(outcome, NotTried):
                pauses.extend(self._judge(each, outcome))
        self._open = [each for each in self._open if each.number not in self._results]
        return max(pauses, default=None)

    def _judge(self, each: _Open, trouble: Trouble) -> list[float]:
        """A failed write: it is done already, is tried again after the pause that is given, or gets its result."""
        each.tries += 1
        each.lost = each.lost or trouble.lost
        if _is_done_already(each.write, trouble):
            self._results[each.number] = WriteDone(already=True)
            return []
        patience = self._http.patience
        pause = patience.pause(each.tries, self._http.random) if trouble.wait is None else trouble.wait
        if self._may_try_again(each, trouble) and self._waited + pause <= patience.waiting:
            return [pause]
        self._results[each.number] = _verdict(each, trouble)
        return []

    def _may_try_again(self, each: _Open, trouble: Trouble) -> bool:
        if isinstance(each.write, RemovePassword) and _is_race(trouble):
            return each.tries < _RACES
        return (trouble.again or isinstance(trouble.error, Gone)) and each.tries < self._http.patience.attempts


def call_for(write: CredentialWrite) -> Call:
    """The request of a write. Raises ValueError for an id that is not a GUID: it never gets into a path."""
    match write:
        case RemovePassword():
            body: JsonObject = {"keyId": canonical_guid(write.key_id)}
            return _call("POST", f"{_object(write)}/removePassword", f"removing secret {write.key_id}", body)
        case ReplaceKeys():
            body = {"keyCredentials": _keys(write)}
            return _call("PATCH", _object(write), f"replacing the certificates of {write.object_id}", body)
        case RemoveFederated():
            path = f"{_object(write)}/federatedIdentityCredentials/{canonical_guid(write.credential_id)}"
            return _call("DELETE", path, f"removing federated credential {write.credential_id}", None)
        case SetInstanceLock():
            path = f"/applications/{canonical_guid(write.app_object_id)}"
            body = {"servicePrincipalLockConfiguration": write.lock}
            return _call("PATCH", path, f"setting the instance lock of {write.app_object_id}", body)


def _call(method: Method, path: str, doing: str, body: JsonObject | None) -> Call:
    return Call(method, path, doing, WRITE_DIRECTORY, body=body, quota=DIRECTORY_WRITES)


def _object(write: RemovePassword | ReplaceKeys | RemoveFederated) -> str:
    return f"{_COLLECTIONS[write.holder]}/{canonical_guid(write.object_id)}"


def _keys(write: ReplaceKeys) -> list[JsonValue]:
    """Kept entries exactly as they were read; Graph refuses altered ones."""
    added = (_new_key(write.add),) if write.add else ()
    return [*write.keep, *added]


def _new_key(certificate: NewCertificate) -> JsonObject:
    """A keyCredential with the public part only (facts: Graph docs application-update)."""
    return {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": b64encode(certificate.cer).decode(),
        "displayName": f"{certificate.name} {certificate.version}"[:_DISPLAY_NAME],
        "startDateTime": _graph_time(certificate.not_before),
        "endDateTime": _graph_time(certificate.expires),
    }


def _graph_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _is_done_already(write: CredentialWrite, trouble: Trouble) -> bool:
    """
    What was to be removed is not there. Graph has no code of its own for an unknown secret, so the text
    must say it plainly; the caller's fresh read is the proof in either case.
    """
    error = trouble.error
    if isinstance(write, RemoveFederated):
        return isinstance(error, Gone)
    return isinstance(write, RemovePassword) and isinstance(error, PlatformRefused) and _says_unknown(error.why)


def _says_unknown(text: str) -> bool:
    return re.search(r"\bno\b[^.]{0,40}\bcredentials?\b[^.]{0,40}\bfound\b", text, re.IGNORECASE) is not None


def _is_race(trouble: Trouble) -> bool:
    return type(trouble.error) is PlatformRefused and not trouble.again


def _verdict(each: _Open, trouble: Trouble) -> WriteResult:
    """Refused is only what is sure not to have happened."""
    if isinstance(trouble.error, OutcomeUnknown):
        return WriteUnknown(trouble.error.why)
    if each.lost:
        return WriteUnknown(f"an earlier answer was lost; then: {trouble.error}")
    return WriteRefused(trouble.error)
