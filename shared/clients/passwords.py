"""A new client secret. Graph tells its value once, so the request is sent once: another one makes a second secret."""

from datetime import datetime

from shared.case import HolderKind
from shared.clients.answers import Call, lost
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_shapes import Unreadable, guid_of, text_of, time_of
from shared.clients.pacing import DIRECTORY_WRITES
from shared.clients.patience import Trouble, persist
from shared.clients.write_calls import WRITE_DIRECTORY, collection_of, graph_time
from shared.estate import SecretValue
from shared.identity import canonical_guid
from shared.signal import JsonObject
from shared.tenant import Check, NewPassword


async def add_password(
    http: GraphHttp, holder: HolderKind, object_id: str, name: str, expires: datetime, check: Check
) -> NewPassword:
    """POST …/addPassword. What surely was not carried out is sent again; what was lost is not."""
    credential: JsonObject = {"displayName": name, "endDateTime": graph_time(expires)}
    call = Call(
        "POST",
        f"{collection_of(holder)}/{canonical_guid(object_id)}/addPassword",
        f"making a new client secret on {object_id}",
        WRITE_DIRECTORY,
        body={"passwordCredential": credential},
        quota=DIRECTORY_WRITES,
    )

    async def attempt() -> NewPassword:
        await http.pacing.take(DIRECTORY_WRITES, urgent=False)
        await check()  # the quota may have been waited for
        (outcome,) = await http.try_all([call])
        if isinstance(outcome, Trouble):
            outcome.again = outcome.again and not outcome.lost
            raise outcome
        return _read(call, outcome)

    return await persist(attempt, http.patience, http.random, call.doing)


def _read(call: Call, body: JsonObject) -> NewPassword:
    """A secret whose value cannot be read was made all the same."""
    try:
        made = NewPassword(
            guid_of(body, "keyId"), SecretValue(text_of(body, "secretText")), time_of(body, "endDateTime")
        )
    except Unreadable:
        trouble = lost(call, "the answer holds no secret that could be read")
        trouble.again = False
        raise trouble from None
    return made
