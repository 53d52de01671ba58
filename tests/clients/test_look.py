"""One look at an identity: few round trips, each answer judged alone, and Graph's word against any claim."""

import gc
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from drill.virtual_time import virtual_clock
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName
from shared.clients.graph_look import Looking
from shared.identity import AppObjectId, ClientId, IdentityKind, IdentityRef, PrincipalId
from shared.tenant import Gathered
from tests.clients.fake_graph import (
    APPLICATION,
    CLIENT,
    OTHER,
    PRINCIPAL,
    SECRET,
    Answering,
    Asked,
    FakeGraph,
    Json,
    application,
    directory_of,
    error,
    page,
    play,
    principal,
)

IDENTITY = frozenset({PartName.IDENTITY})
EVERYTHING = frozenset(PartName)
KNOWN = IdentityRef(PrincipalId(PRINCIPAL), ClientId(CLIENT), AppObjectId(APPLICATION))
BY_PRINCIPAL = IdentityRef(principal_id=PrincipalId(PRINCIPAL))
BY_CLIENT = IdentityRef(client_id=ClientId(CLIENT))
BY_APPLICATION = IdentityRef(app_object_id=AppObjectId(APPLICATION))


def look(
    answer: Answering,
    subject: IdentityRef = KNOWN,
    parts: frozenset[PartName] = IDENTITY,
    *,
    spoil: Callable[[list[Json]], object] | None = None,
    **more: Any,
) -> tuple[Gathered, FakeGraph, float]:
    graph = FakeGraph(answer, spoil)

    async def story() -> tuple[Gathered, float]:
        gathered = await graph.directory(**more).look(subject, parts)
        return gathered, virtual_clock().elapsed

    gathered, elapsed = play(story)
    return gathered, graph, elapsed


def state_of(gathered: Gathered) -> IdentityState:
    assert isinstance(gathered.identity, Known), gathered.identity
    return gathered.identity.value


def why_not(gathered: Gathered) -> CouldNotLook:
    assert isinstance(gathered.identity, CouldNotLook), gathered.identity
    return gathered.identity


def round_trips(graph: FakeGraph) -> int:
    return len(graph.exchanges)


def test_a_known_identity_is_read_in_one_round_trip() -> None:
    """Service principal, application, and the federated credentials of both come in one batch."""
    gathered, graph, _ = look(directory_of(principal(), application()))

    state = state_of(gathered)
    assert round_trips(graph) == 1
    assert all(asked.in_batch for asked in graph.asked)
    assert (state.identity.principal_id, state.identity.client_id, state.identity.app_object_id) == (
        PRINCIPAL,
        CLIENT,
        APPLICATION,
    )
    assert state.enabled
    assert [password.key_id for holder in state.holders for password in holder.passwords] == [SECRET]
    assert gathered.risk == NotLooked()


@pytest.mark.parametrize(
    ("subject", "most"),
    [
        (KNOWN, 1),
        (BY_CLIENT, 1),
        (IdentityRef(PrincipalId(PRINCIPAL), ClientId(CLIENT)), 1),
        (IdentityRef(PrincipalId(PRINCIPAL), app_object_id=AppObjectId(APPLICATION)), 1),
        (BY_PRINCIPAL, 2),
        (BY_APPLICATION, 2),
    ],
)
def test_any_of_the_three_ids_leads_to_the_whole_identity(subject: IdentityRef, most: int) -> None:
    """Without the client id it costs one more round trip, and never another one."""
    gathered, graph, _ = look(directory_of(principal(), application()), subject)

    assert state_of(gathered).identity.ref == KNOWN
    assert round_trips(graph) == most


def test_credentials_are_kept_exactly_as_they_were_read() -> None:
    """A later PATCH must send kept entries back unaltered, so nothing of an entry is dropped or reformatted."""
    entry: Json = {
        "keyId": OTHER,
        "usage": "Verify",
        "type": "AsymmetricX509Cert",
        "key": None,
        "startDateTime": "2025-12-02T03:00:00.1234567Z",
        "customKeyIdentifier": "07A8",
        "futureProperty": {"a": [1]},
    }
    gathered, _, _ = look(directory_of(principal(), application(keyCredentials=[entry])))

    holder = state_of(gathered).application
    assert holder is not None
    assert holder.keys[0].raw == entry


@pytest.mark.parametrize(
    ("sp", "app", "kind"),
    [
        (principal(), application(), IdentityKind.OWN_SINGLE_TENANT),
        (principal(), application(signInAudience="AzureADMultipleOrgs"), IdentityKind.OWN_MULTI_TENANT),
        (principal(), application(signInAudience=None), IdentityKind.OWN_MULTI_TENANT),
        (principal(appOwnerOrganizationId=None), application(), IdentityKind.OWN_SINGLE_TENANT),
        (principal(appOwnerOrganizationId=OTHER), None, IdentityKind.FOREIGN),
        (principal(appOwnerOrganizationId=None, servicePrincipalType="Legacy"), None, IdentityKind.FOREIGN),
        (
            principal(appOwnerOrganizationId=None, servicePrincipalType="ManagedIdentity"),
            None,
            IdentityKind.MANAGED_IDENTITY,
        ),
        (principal(appOwnerOrganizationId="f8cdef31-a31e-4b4a-93e4-5f571e91255a"), None, IdentityKind.MICROSOFT),
        (principal(**{"@odata.type": "#microsoft.graph.agentIdentity"}), None, IdentityKind.AGENT),
        (
            principal(),
            application(**{"@odata.type": "#microsoft.graph.agentIdentityBlueprint"}),
            IdentityKind.AGENT,
        ),
    ],
)
def test_what_sort_of_identity_it_is_is_decided_from_what_graph_shows(
    sp: Json, app: Json | None, kind: IdentityKind
) -> None:
    """Type, owner tenant and audience decide; a name or a claim never does."""
    assert state_of(look(directory_of(sp, app))[0]).identity.kind is kind


def test_an_owner_tenant_that_is_one_of_microsofts_is_still_ours_if_it_is_this_tenant() -> None:
    """Inside Microsoft's own tenant its applications are own ones."""
    microsoft = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    graph = FakeGraph(directory_of(principal(appOwnerOrganizationId=microsoft), application()))

    async def story() -> Gathered:
        from shared.clients.graph import GraphDirectory

        return await GraphDirectory(graph.http(), None, microsoft).look(KNOWN, IDENTITY)

    assert state_of(play(story)).identity.kind is IdentityKind.OWN_SINGLE_TENANT


@pytest.mark.parametrize(
    "subject",
    [
        IdentityRef(PrincipalId(PRINCIPAL), ClientId(OTHER)),
        IdentityRef(PrincipalId(PRINCIPAL), ClientId(OTHER), AppObjectId(APPLICATION)),
        IdentityRef(PrincipalId(OTHER), ClientId(CLIENT)),
    ],
)
def test_ids_that_do_not_belong_together_are_not_acted_upon(subject: IdentityRef) -> None:
    """A signal that names one identity's principal and another's client id points nowhere; a person must look."""
    told = why_not(look(directory_of(principal(), application()), subject)[0])

    assert "do not belong together" in told.why
    assert not told.may_help_later
    assert not told.gone


def test_an_id_that_is_no_guid_never_reaches_a_path() -> None:
    """Path tricks end before the first request."""
    graph = FakeGraph(directory_of(principal()))
    with pytest.raises(ValueError, match="not a GUID"):
        play(lambda: graph.directory().look(IdentityRef(principal_id=PrincipalId("../users/me")), IDENTITY))
    assert not graph.asked


def test_a_404_that_a_later_read_contradicts_was_a_lagging_replica() -> None:
    """One 404 is not "gone": the second read shows the identity."""
    shown = directory_of(principal(), application())
    seen: set[str] = set()

    def answer(asked: Asked) -> httpx.Response:
        first = asked.path not in seen
        seen.add(asked.path)
        return (
            error(404, "Request_ResourceNotFound") if first and "filter" not in asked.path else shown_by(shown, asked)
        )

    gathered, _, elapsed = look(answer)

    assert state_of(gathered).application is not None
    assert elapsed >= 1.0


def shown_by(answer: Answering, asked: Asked) -> httpx.Response:
    found = answer(asked)
    assert isinstance(found, httpx.Response)
    return found


def test_an_identity_that_stays_away_for_half_a_minute_is_gone() -> None:
    """Replication is waited out before an incident may end as "not in this tenant"."""
    gathered, _, elapsed = look(directory_of(None, None))

    assert why_not(gathered).gone
    assert elapsed >= 30.0


def test_a_search_that_shows_what_the_read_denies_is_no_proof_of_absence() -> None:
    """The list shows the service principal, its own address says 404: something is wrong, and may pass."""
    lists = directory_of(principal(), application())

    def answer(asked: Asked) -> httpx.Response:
        gone = asked.path.startswith("/servicePrincipals/") and "?" not in asked.path
        return error(404) if gone else shown_by(lists, asked)

    told = why_not(look(answer)[0])
    assert told.may_help_later
    assert not told.gone


def test_who_deletes_a_service_principal_and_makes_another_has_not_left() -> None:
    """The principal of the incident is gone, but its application has a new one: that is told, not closed."""
    told = why_not(
        look(
            lambda asked: page(principal(id=OTHER)) if "filter" in asked.path else error(404),
            IdentityRef(PrincipalId(PRINCIPAL), ClientId(CLIENT)),
        )[0]
    )
    assert OTHER in told.why
    assert told.another == OTHER
    assert not told.gone


def test_an_own_application_is_missing_only_if_a_search_agrees() -> None:
    """The application of an own identity answers 404 by its key although a search finds it: not known to be absent."""
    shown = directory_of(principal(), application())

    def answer(asked: Asked) -> httpx.Response:
        by_key = asked.path.startswith("/applications(") or asked.path.startswith("/applications/")
        return error(404) if by_key else shown_by(shown, asked)

    assert why_not(look(answer)[0]).may_help_later
    assert state_of(look(directory_of(principal(), None), BY_CLIENT)[0]).application is None


def test_a_foreign_application_is_not_missed_and_not_searched_for() -> None:
    """Registered elsewhere means that no application object is here; that costs no second look."""
    gathered, graph, elapsed = look(directory_of(principal(appOwnerOrganizationId=OTHER), None), BY_CLIENT)

    state = state_of(gathered)
    assert state.application is None
    assert (round_trips(graph), elapsed) == (1, 0.0)


def test_every_service_principal_of_the_application_is_a_holder() -> None:
    """If there is a second one after all, its credentials count too, the incident's own first."""
    second = principal(id=OTHER, passwordCredentials=[{"keyId": SECRET}])
    state = state_of(look(directory_of(principal(), application(), others=[second]))[0])

    assert [holder.object_id for holder in state.principals] == [PRINCIPAL, OTHER]
    assert state.principals[1].federated == Known(())


@pytest.mark.parametrize("missing", ["passwordCredentials", "keyCredentials", "accountEnabled", "appId"])
def test_an_answer_without_what_it_must_have_is_not_read_as_empty(missing: str) -> None:
    """A service principal without a list of secrets is an unreadable one, not one without secrets."""
    sp = principal()
    del sp[missing]

    assert not why_not(look(directory_of(sp, application()))[0]).gone


def federated_answers(answer: httpx.Response) -> Answering:
    shown = directory_of(principal(), application())
    return lambda asked: answer if asked.path.endswith("/federatedIdentityCredentials") else shown(asked)


def test_federated_credentials_that_cannot_be_read_are_unknown_and_the_rest_is_known() -> None:
    """They survive the removal of everything else, so "could not look" must not become "none"."""
    state = state_of(look(federated_answers(error(403, "Authorization_RequestDenied")))[0])

    for holder in state.holders:
        assert isinstance(holder.federated, CouldNotLook)
        assert not holder.federated.may_help_later


def test_an_object_that_can_have_no_federated_credentials_has_none() -> None:
    """Where Graph's model lacks the list for this kind of object, nothing can be in it."""
    no_list = error(400, "BadRequest", "Resource not found for the segment 'federatedIdentityCredentials'.")

    assert all(holder.federated == Known(()) for holder in state_of(look(federated_answers(no_list))[0]).holders)


def test_a_404_for_the_list_of_an_object_that_is_there_is_unknown() -> None:
    """It is asked again once; then it is a fault that may pass, and not an empty list."""
    state = state_of(look(federated_answers(error(404, "Request_ResourceNotFound")))[0])

    assert all(
        isinstance(holder.federated, CouldNotLook) and holder.federated.may_help_later for holder in state.holders
    )


def test_federated_credentials_on_a_second_page_are_found() -> None:
    """The last page counts: that is where somebody would hide one."""
    first = {"id": OTHER, "name": "github", "issuer": "https://issuer.example", "subject": "a"}
    shown = directory_of(principal(), application())

    def answer(asked: Asked) -> httpx.Response:
        if not asked.path.startswith("/applications") or "/federated" not in asked.path:
            return shown_by(shown, asked)
        if "skiptoken" in asked.path:
            return page({**first, "id": SECRET, "name": "hidden"})
        path = asked.path.partition("?")[0]
        return page(first, next=f"https://graph.microsoft.com/v1.0{path}?$skiptoken=2")

    holder = state_of(look(answer)[0]).application
    assert holder is not None
    assert isinstance(holder.federated, Known)
    assert [each.name for each in holder.federated.value] == ["github", "hidden"]


def test_inner_answers_may_come_in_any_order() -> None:
    """Each is matched by its id."""
    shown = directory_of(principal(), application())

    assert look(shown, spoil=lambda inner: inner[::-1])[0] == look(shown)[0]


SPOILT: dict[str, Callable[[list[Json]], object]] = {
    "missing": lambda inner: [each for each in inner if each["id"] != "1"],
    "twice": lambda inner: [*inner, {**inner[0], "body": {"id": OTHER}}],
    "its status is a text": lambda inner: [{**inner[0], "status": "200"}, *inner[1:]],
    "its body is a text": lambda inner: [{**inner[0], "body": "text"}, *inner[1:]],
    "among things that are no answers": lambda inner: ["nonsense", 7, None, *inner[1:]],
    "no list at all": lambda _: None,
}


@pytest.mark.parametrize("how", SPOILT)
def test_an_inner_answer_that_is_missing_or_unclear_is_unknown(how: str) -> None:
    """The outer 200 proves nothing. What has no single readable answer is asked again, and unknown without one."""
    shown = directory_of(principal(), application())

    def only_in_batches(asked: Asked) -> httpx.Response:
        return shown_by(shown, asked) if asked.in_batch else error(503)

    assert why_not(look(only_in_batches, spoil=SPOILT[how])[0]).may_help_later


def test_what_was_unclear_in_a_batch_is_asked_again_alone() -> None:
    """The other answers count; one request more settles the one that was missing."""
    shown = directory_of(principal(), application())
    gathered, graph, _ = look(shown, spoil=lambda inner: inner[1:])

    assert isinstance(gathered.identity, Known)
    assert [asked.path for asked in graph.asked if not asked.in_batch] == [f"/servicePrincipals/{PRINCIPAL}"]


def test_a_look_that_met_an_error_is_freed_at_once() -> None:
    """An error that is kept with where it was raised holds the look, which holds the error: a ring around it all."""

    gc.collect()
    gc.disable()
    try:
        gathered, _, _ = look(federated_answers(httpx.Response(200, json={})))  # a list without its list
        left = [each for each in gc.get_objects() if isinstance(each, Looking)]
    finally:
        gc.enable()

    assert isinstance(state_of(gathered).holders[0].federated, CouldNotLook)
    assert left == []


def test_an_inner_answer_that_is_throttled_is_asked_again_alone() -> None:
    """Only the one that was refused is repeated, after the wait that it asks for itself."""
    shown = directory_of(principal(), application())
    refused: list[str] = []

    def answer(asked: Asked) -> httpx.Response:
        if asked.path.startswith("/applications") and "/federated" not in asked.path and not refused:
            refused.append(asked.path)
            return error(429, "TooManyRequests", retry_after="4")
        return shown_by(shown, asked)

    gathered, graph, elapsed = look(answer)

    assert state_of(gathered).application is not None
    assert (round_trips(graph), elapsed) == (2, 4.0)
    assert len(graph.asked) == 6


def test_a_part_that_fails_leaves_the_others_known() -> None:
    """Risk is forbidden, the log is down, the directory answers: each part tells for itself."""
    shown = directory_of(principal(), application())

    def answer(asked: Asked) -> httpx.Response:
        if asked.path.startswith("/identityProtection"):
            return error(403, "Authorization_RequestDenied")
        return error(503) if asked.path.startswith("/auditLogs") else shown_by(shown, asked)

    gathered, _, _ = look(answer, parts=EVERYTHING)

    assert isinstance(gathered.identity, Known)
    assert isinstance(gathered.risk, CouldNotLook)
    assert "IdentityRiskyServicePrincipal.Read.All" in gathered.risk.why
    assert isinstance(gathered.detections, CouldNotLook)
    assert "IdentityRiskEvent.Read.All" in gathered.detections.why
    assert isinstance(gathered.audits, CouldNotLook)
    assert gathered.audits.may_help_later


def with_logs(asked: Asked) -> httpx.Response:
    if asked.path.startswith("/identityProtection/riskyServicePrincipals"):
        return error(404, "Request_ResourceNotFound")
    if asked.path.startswith(("/identityProtection", "/auditLogs")):
        return page()
    return shown_by(directory_of(principal(), application()), asked)


def test_an_identity_that_is_not_listed_as_risky_is_known_not_to_be() -> None:
    """Here a 404 is an answer: Entra lists no risk for it."""
    gathered, _, _ = look(with_logs, parts=EVERYTHING)

    assert gathered.risk == Known(None)
    assert gathered.detections == Known(())
    assert gathered.audits == Known(())


@pytest.mark.parametrize("subject", [KNOWN, BY_CLIENT, BY_PRINCIPAL, BY_APPLICATION])
def test_identity_protection_is_never_asked_twice_within_a_second(subject: IdentityRef) -> None:
    """The tenant has one request a second for all applications together, also inside a batch."""
    _, graph, _ = look(with_logs, subject, EVERYTHING)

    times = [asked.at for asked in graph.asked if asked.path.startswith("/identityProtection")]
    assert len(times) == 2
    assert times[1] - times[0] >= 1.0


def test_the_directory_does_not_wait_for_identity_protection() -> None:
    """The identity is asked for at once, in a batch of its own if the quota is used up."""

    def story_of(graph: FakeGraph) -> Any:
        async def story() -> None:
            directory = graph.directory()
            await directory.look(KNOWN, frozenset({PartName.RISK}))
            await directory.look(KNOWN, frozenset({PartName.IDENTITY, PartName.RISK}))

        return story

    graph = FakeGraph(with_logs)
    play(story_of(graph))

    directory = [asked.at for asked in graph.asked if "Principals/" in asked.path and "identity" not in asked.path]
    assert set(directory) == {0.0}


def test_both_objects_of_an_identity_are_looked_up_in_the_audit_log() -> None:
    """A secret that is added to the application stands under the application's id, not the service principal's."""
    _, graph, _ = look(with_logs, BY_PRINCIPAL, frozenset({PartName.AUDITS}))

    asked = [each.path for each in graph.asked if each.path.startswith("/auditLogs")]
    assert [PRINCIPAL in path or APPLICATION in path for path in asked] == [True, True]
    assert asked[0] != asked[1]


def _logged(number: int, activity: object, about: str = PRINCIPAL) -> Json:
    """A record of the audit log; an activity that is no text makes it an odd one."""
    return {
        "id": f"Directory_{number}",
        "activityDisplayName": activity,
        "activityDateTime": "2026-03-02T02:00:00Z",
        "result": "success",
        "initiatedBy": None,
        "targetResources": [{"id": about, "type": "ServicePrincipal", "modifiedProperties": []}],
    }


def _told(*records: Json) -> Gathered:
    def answer(asked: Asked) -> httpx.Response:
        return page(*records) if asked.path.startswith("/auditLogs") else with_logs(asked)

    found, _, _ = look(answer, BY_PRINCIPAL, frozenset({PartName.AUDITS, PartName.GRANT_AUDITS}))
    return found


def test_one_odd_audit_record_counts_alone_and_the_log_is_not_clean_by_it() -> None:
    """What could be read may accuse; that one could not be read is said, and keeps the rest from excusing anybody."""
    found = _told(_logged(1, "Add service principal credentials"), _logged(2, 7)).audits

    assert isinstance(found, CouldNotLook)
    assert "1 of its 2 audit records could not be read" in found.why
    assert [each.id for each in found.partly] == ["Directory_1"]
    assert not found.may_help_later


def test_records_without_an_id_are_as_many_as_there_are() -> None:
    """One that both lists hold is one; two that say different things are two."""
    first, second = _logged(1, "Update application"), _logged(2, "Update service principal")
    for each in (first, second):
        del each["id"]
    found = _told(first, second, _logged(3, "Update application")).audits

    assert isinstance(found, CouldNotLook)
    assert "2 of its 3 audit records could not be read" in found.why


def test_an_odd_record_of_somebody_elses_grant_hides_nothing_of_this_identity() -> None:
    """The log of grants is the whole tenant's: whoever could write an odd one would blind every identity at once."""
    strangers = _told(_logged(1, 7, OTHER)).grant_audits
    own = {"displayName": "ServicePrincipal.ObjectID", "newValue": f'"{PRINCIPAL.upper()}"'}
    odd = _logged(2, 7, OTHER) | {"targetResources": [{"id": OTHER, "type": 3, "modifiedProperties": [own]}]}

    assert strangers == Known(())
    assert isinstance(_told(odd).grant_audits, CouldNotLook)


def test_new_members_of_enumerations_are_asked_for() -> None:
    """Without the header Graph would say unknownFutureValue for our own confirmation."""
    _, graph, _ = look(with_logs, parts=EVERYTHING)

    protection = [asked for asked in graph.asked if asked.path.startswith("/identityProtection")]
    assert all(asked.headers["prefer"] == "include-unknown-enum-members" for asked in protection)


def test_the_cloud_without_identity_protection_is_not_asked_for_it() -> None:
    """Those parts say so, and the rest is read."""
    gathered, graph, _ = look(with_logs, parts=EVERYTHING, cloud="china")

    assert isinstance(gathered.identity, Known)
    assert isinstance(gathered.risk, CouldNotLook)
    assert "china" in gathered.risk.why
    assert not gathered.risk.may_help_later
    assert not any(asked.path.startswith("/identityProtection") for asked in graph.asked)


def test_one_look_asks_for_the_same_thing_only_once() -> None:
    """Whatever ids were given, no request is sent twice."""
    for subject in (KNOWN, BY_CLIENT, BY_PRINCIPAL, BY_APPLICATION):
        _, graph, _ = look(with_logs, subject, EVERYTHING)
        paths = [asked.path for asked in graph.asked]
        assert len(paths) == len(set(paths))


def test_an_outage_leaves_every_part_unknown_for_now() -> None:
    """Nothing is raised; every part says that it could not be read, and that this may pass."""
    gathered, _, _ = look(lambda _: error(503), parts=EVERYTHING)

    for part in (gathered.identity, gathered.detections, gathered.risk, gathered.audits):
        assert isinstance(part, CouldNotLook)
        assert part.may_help_later


def test_text_from_the_tenant_stays_text() -> None:
    """A name that looks like a path or a filter reaches no request."""
    name = "../../users?$filter=' or 1 eq 1 \r\nHost: evil"
    gathered, graph, _ = look(directory_of(principal(displayName=name), application(displayName=name)))

    assert state_of(gathered).identity.display_name == name
    assert not any("evil" in asked.path for asked in graph.asked)
