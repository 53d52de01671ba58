"""Cordon's own follow-up: an identity that it cut off had changed this one."""

import hashlib
from datetime import datetime
from typing import ClassVar

from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId, canonical_guid
from shared.signal import JsonObject, JsonValue, NotASignal, Signal
from shared.untrusted import Fields, one_line


class SuspectChange:
    """
    Reads {principalId | appId | applicationObjectId, incident, root, links, actor, record, activity, at}, as
    `changed_by` puts it together.

    The record's id follows from the incident with which the chain began and from the identity: in one chain each is
    told of once, so that circles end.
    """

    name: ClassVar[str] = "suspect-change"
    event_types: ClassVar[tuple[str, ...]] = ()  # nothing that is pushed may accuse
    categories: ClassVar[tuple[str, ...]] = ()

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        body = Fields(self.name, record)
        principal, client, application = (
            body.optional_guid(each) for each in ("principalId", "appId", "applicationObjectId")
        )
        if not (principal or client or application):
            raise body.wrong("principalId", "is missing, and so is every other id")
        incident, root, links = body.token("incident"), body.token("root"), record.get("links")
        if not isinstance(links, int) or isinstance(links, bool) or links < 0:
            raise body.wrong("links", "is not a number of changes")
        activity, id_ = body.line("activity", 200) or "a change", body.token("record")
        facts: dict[str, JsonValue] = {
            "incident": incident,
            "root": root,
            "links": links,
            "actor": body.guid("actor"),
            "record": id_,
            "activity": activity,
        }
        return Signal(
            source=self.name,
            record_id=_id(root, str(principal or client or application)),
            subject=IdentityRef(
                PrincipalId(principal) if principal else None,
                ClientId(client) if client else None,
                AppObjectId(application) if application else None,
            ),
            observed_at=body.time("at"),
            summary=one_line(f"It was changed by the identity of incident {incident}: “{activity}” (record {id_})"),
            facts=facts,
        )


def changed_by(
    subject: IdentityRef,
    *,
    incident: str,
    root: str,
    links: int,
    actor: str,
    record: str,
    activity: str,
    at: datetime,
) -> JsonObject:
    """The record that says: the identity of this incident changed that one."""
    return {
        "principalId": subject.principal_id,
        "appId": subject.client_id,
        "applicationObjectId": subject.app_object_id,
        "incident": incident,
        "root": root,
        "links": links,
        "actor": canonical_guid(actor),
        "record": record,
        "activity": activity,
        "at": at.isoformat(),
    }


def _id(root: str, subject: str) -> str:
    return f"{root}.{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
