"""A workload's sign-in: one that somebody points at, or one that the poll of the log finds to be new in some way."""

from typing import ClassVar

from shared.identity import ClientId, IdentityRef, PrincipalId, shown_at_sign_in
from shared.signal import JsonObject, NotASignal, Signal
from shared.untrusted import NAME, body_of, check_tenant, one_line

_A_PERSONS = NotASignal("a sign-in of a person, and of no workload")


class SignInSource:
    """
    Reads one record of the sign-in log, as Graph's beta or a diagnostic record has it. None is taken from the Event
    Hub: a busy tenant has millions, nearly all as ever, and one sign-in alone says nothing. Whoever finds one odd
    publishes it, or the poll does (`shared.familiar`), and the conditions hold it against the log, which is read
    again.
    """

    name: ClassVar[str] = "sign-in"
    event_types: ClassVar[tuple[str, ...]] = ("Cordon.Signal.SignIn",)
    categories: ClassVar[tuple[str, ...]] = ()

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        check_tenant(record, tenant_id, self.name)
        body = body_of(record, self.name)
        principal = body.optional_guid("servicePrincipalId")
        if principal is None:
            return _A_PERSONS
        client, status = body.optional_guid("appId"), body.object("status")
        code = status.values.get("errorCode") if status else None
        if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code < 10**9:
            raise body.wrong("status", "has no error code")
        who = body.line("servicePrincipalName", NAME) or principal
        how = "got a token" if code == 0 else f"was refused a token ({code})"
        address, place = body.optional_token("ipAddress"), body.nested("location")
        network = body.values.get("autonomousSystemNumber")
        return Signal(
            source=self.name,
            record_id=body.token("id"),
            subject=IdentityRef(PrincipalId(principal), ClientId(client) if client else None),
            observed_at=body.time("createdDateTime"),
            summary=one_line(f"“{who}” {how}{f' from {address}' if address else ''}"),
            facts={
                "errorCode": code,
                "ipAddress": address,
                "keyId": shown_at_sign_in(
                    body.optional_token("servicePrincipalCredentialKeyId"), body.optional_token("federatedCredentialId")
                ),
                "network": network if isinstance(network, int) and not isinstance(network, bool) else None,
                "country": place.line("countryOrRegion") if place else None,
                "resource": body.line("resourceId") or body.line("resourceDisplayName"),
                "userAgent": body.line("userAgent"),
            },
        )
