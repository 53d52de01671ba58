"""One interface over Graph and Log Analytics: whoever has the sign-ins tells them, and both say why they have none."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from drill.practice import Behaviour, Credential, CredentialKind
from shared.case import CouldNotLook, KeyUse, Known, LogSource, Part, PartName, SignInLog
from shared.clients.sign_in_pages import PagesRead
from shared.clients.sign_in_pages import log_of as sign_in_log_of
from shared.clients.workspaces import kusto_time
from shared.conditions.learning import fell_silent
from shared.errors import CordonError, NotCollected, PartLost
from shared.identity import PrincipalId, shown_at_sign_in
from shared.tenant import Gathered
from tests.clients.fake_graph import START
from tests.clients.test_practice_tenant import REF, SIGN_INS, Place, at
from tests.practice.desk import CERTIFICATE, PRINCIPAL, SECRET, payroll

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OLDER = frozenset({PartName.OLDER_SIGN_INS})
EXPORTED: dict[str, Any] = {"entraDiagnosticSettings": [{}]}
TWO = {
    "workspaces": [{"name": "first"}, {"name": "second"}],
    "entraDiagnosticSettings": [
        {"workspaceId": f"/subscriptions/{'0' * 8}-0000-4000-8000-{'0' * 11}1/resourceGroups/practice/providers/"
         "Microsoft.OperationalInsights/workspaces/second"}
    ],
}  # fmt: skip
LICENSED = {**payroll(), "licences": ["AAD_PREMIUM"]}
UNLICENSED = {**payroll(), "licences": ["WorkloadIdentitiesPremium"]}


def signed_in(number: int, ago: timedelta, code: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "createdDateTime": (START - ago).isoformat(),
        "servicePrincipalId": PRINCIPAL,
        "servicePrincipalCredentialKeyId": SECRET,
        "clientCredentialType": "clientSecret",
        "resourceDisplayName": "Microsoft Graph",
        "resourceId": "00000003-0000-0000-c000-000000000000",
        "uniqueTokenIdentifier": f"token-{number}",
        "status": {"errorCode": code, "failureReason": None, "additionalDetails": None},
        **more,
    }


HELD = [
    signed_in(1, 50 * DAY),
    signed_in(2, 20 * DAY),
    signed_in(3, DAY / 2),
    signed_in(4, DAY / 4, 7000215),
    signed_in(
        5, DAY / 8, servicePrincipalId="0c0c0c0c-0000-4000-8000-00000000eeee", servicePrincipalCredentialKeyId=None
    ),
]


def look(
    tenant: dict[str, Any], parts: frozenset[PartName] = SIGN_INS, azure: dict[str, Any] = EXPORTED, **more: Any
) -> Gathered:
    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, parts)

    more = {"workspaces": None, "behaviour": Behaviour.gentle(), **more}
    return at(story, tenant, azure=azure, logs={"signIns": HELD}, **more)


def log_of(part: Part[SignInLog]) -> SignInLog:
    assert isinstance(part, Known), part
    return part.value


def why(part: Part[SignInLog]) -> str:
    assert isinstance(part, CouldNotLook), part
    return part.why


def test_what_graph_refuses_the_workspace_tells_in_the_same_words() -> None:
    """Without the licence for Graph's log; of the issued a month, of the attempts a day."""
    told, usual = look(UNLICENSED), look(LICENSED)
    issued, attempts = log_of(told.sign_ins), log_of(told.attempts)

    assert (issued.source, attempts.source) == (LogSource.WORKSPACE, LogSource.WORKSPACE)
    assert "licence" in str(issued.instead_of).lower()
    assert [each.id for each in issued.records] == [each.id for each in log_of(usual.sign_ins).records] == ["s3", "s2"]
    assert [each.id for each in attempts.records] == [each.id for each in log_of(usual.attempts).records]
    assert log_of(usual.sign_ins).source is LogSource.GRAPH


def test_an_odd_record_in_graph_s_log_takes_nothing_away_from_the_others() -> None:
    """It is counted: what the others do not show is not called absent. Where none can be used, nothing is known."""
    odd = [signed_in(7, DAY, status=None), signed_in(8, DAY, ipAddress=7), {}]
    read = PagesRead([*odd, signed_in(1, DAY), signed_in(2, DAY / 2)], cut_short=True)
    log = log_of(sign_in_log_of(read, PRINCIPAL, START - 30 * DAY))

    assert [each.id for each in log.records] == ["s2", "s1"]
    assert (log.unread, log.since) == (3, START - DAY)
    assert fell_silent(log) == "3 record(s) of the sign-in log could not be read"
    assert "none of 3" in why(sign_in_log_of(PagesRead(odd, cut_short=False), PRINCIPAL, START - 30 * DAY))


def test_a_record_is_the_same_value_from_either_source() -> None:
    """Where the table has the newer columns; those that it lacks are not told, and are not made up."""
    graph = log_of(look(LICENSED).sign_ins).records
    more = log_of(look(UNLICENSED, behaviour=Behaviour.gentle(sign_in_tables_tell_more=True)).sign_ins).records
    less = log_of(look(UNLICENSED).sign_ins).records

    assert more == graph
    assert (less[0].network, less[0].user_agent, less[0].credential_type) == (None, None, None)
    assert (less[0].address, less[0].country, less[0].token_id) == ("203.0.113.7", "NL", "token-3")


def test_what_is_older_than_graph_s_log_comes_from_the_workspace() -> None:
    """Sixty days and the one that is judged; from the setting's first record on."""
    older = log_of(look(LICENSED, OLDER).older_sign_ins)

    assert [each.id for each in older.records] == ["s3", "s2", "s1"]
    assert older.since == START - 50 * DAY
    assert older.instead_of is None


def test_of_several_workspaces_the_one_that_is_written_to_is_enough() -> None:
    """Entra sends a category whole, wherever it sends it."""
    assert [each.id for each in log_of(look(UNLICENSED, azure=TWO).sign_ins).records] == ["s3", "s2"]


def test_an_empty_table_is_no_proof_that_nobody_signed_in() -> None:
    """Nobody sends it records: both reasons are told, and neither is "nothing there"."""
    found = why(look(UNLICENSED, azure={}).sign_ins)

    assert "licence" in found.lower()
    assert "diagnostic settings" in found


def test_a_table_that_is_no_longer_written_to_is_no_source() -> None:
    """Whatever it holds of old, it does not tell of today."""

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS)

    old = [signed_in(1, 20 * DAY), signed_in(2, 3 * DAY)]
    found = at(story, UNLICENSED, azure=EXPORTED, logs={"signIns": old}, workspaces=None, behaviour=Behaviour.gentle())

    assert "until now" in why(found.sign_ins)


def ticking(every: timedelta, until: timedelta, days: int = 15) -> list[dict[str, Any]]:
    """Somebody else's sign-ins at this pace, the newest so long ago."""
    other: dict[str, Any] = {
        "servicePrincipalId": "0c0c0c0c-0000-4000-8000-00000000eeee",
        "servicePrincipalCredentialKeyId": None,
    }
    return [signed_in(1000 + n, until + n * every, **other) for n in range(int(days * DAY / every))]


@pytest.mark.parametrize(
    ("every", "silent", "goes_on"),
    [
        (timedelta(minutes=30), timedelta(minutes=100), True),  # the log is late
        (timedelta(minutes=30), timedelta(hours=3), False),
        (timedelta(hours=12), timedelta(hours=20), True),  # hardly anybody signs in there
        (timedelta(hours=12), timedelta(hours=30), False),
    ],
)
def test_a_table_that_has_stopped_ticking_is_known_until_then(
    every: timedelta, silent: timedelta, goes_on: bool
) -> None:
    """By its own pace: an intruder who ends the export does not make two days look quiet."""

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS)

    logs = {"signIns": [signed_in(1, 20 * DAY), *ticking(every, silent)]}
    found = at(story, UNLICENSED, azure=EXPORTED, logs=logs, workspaces=None, behaviour=Behaviour.gentle())

    assert log_of(found.sign_ins).until == (None if goes_on else START - silent)


def test_one_break_of_the_export_makes_no_habit() -> None:
    """It stood still for a day once; that it does so again is as strange as the first time."""
    logs = {"signIns": [*ticking(HOUR, 5 * HOUR, 2), *ticking(HOUR, 3 * DAY, 2)]}

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS)

    found = at(story, UNLICENSED, azure=EXPORTED, logs=logs, workspaces=None, behaviour=Behaviour.gentle())

    assert log_of(found.sign_ins).until == START - 5 * HOUR


def test_a_log_begins_where_the_export_begins() -> None:
    """A setting of last week knows nothing of the month before."""
    since = (START - 7 * DAY).isoformat()
    found = log_of(look(UNLICENSED, azure={"entraDiagnosticSettings": [{"since": since}]}).sign_ins)

    assert [each.id for each in found.records] == ["s3"]
    assert found.since > START - 7 * DAY


def test_with_both_away_both_reasons_are_told() -> None:
    """No licence, and no right to read the workspace."""
    found = why(look(UNLICENSED, azure={**EXPORTED, "permissions": {"reader": []}}).sign_ins)

    assert "licence" in found.lower()
    assert "Log Analytics Reader" in found


def test_without_a_workspace_it_is_said_that_none_is_configured() -> None:
    """So that somebody knows what would help."""
    assert "CORDON_LOG_WORKSPACES" in why(look(UNLICENSED, workspaces=()).sign_ins)
    assert "CORDON_LOG_WORKSPACES" in why(look(LICENSED, OLDER, workspaces=()).older_sign_ins)


def test_half_a_result_is_none() -> None:
    """Whoever takes it for the whole calls a stranger unseen."""
    found = look(UNLICENSED, behaviour=Behaviour.gentle(partial_logs=True)).sign_ins

    assert "not whole" in why(found)
    assert isinstance(found, CouldNotLook)
    assert found.may_help_later


def test_the_workspace_is_late_in_its_own_time() -> None:
    """A sign-in of now is in neither source."""

    async def story(place: Place) -> tuple[int, int]:
        async def count() -> int:
            place.practice.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, SECRET))
            return len(log_of((await place.tenant.directory.look(REF, SIGN_INS)).sign_ins).records)

        first = await count()
        await asyncio.sleep(901)
        return first, await count()

    behaviour = Behaviour.gentle(workspace_delay=(900.0, 900.0))
    logs = {"signIns": HELD}
    counted = at(story, UNLICENSED, azure=EXPORTED, logs=logs, workspaces=None, behaviour=behaviour)

    assert counted == (2, 3)


def test_a_managed_identity_s_sign_ins_are_in_a_table_of_their_own() -> None:
    """Asked for by what Graph says the identity is."""
    managed = payroll(
        principal={"servicePrincipalType": "ManagedIdentity"}, applications=[], federatedIdentityCredentials={}
    )
    rows = [signed_in(1, DAY / 2, signInEventTypes=["managedIdentity"]), signed_in(2, DAY / 3)]

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(replace(REF, app_object_id=None), SIGN_INS)

    found = at(story, managed, azure=EXPORTED, logs={"signIns": rows}, workspaces=None, behaviour=Behaviour.gentle())

    assert [each.id for each in log_of(found.sign_ins).records] == ["s1"]


def test_a_time_is_written_in_utc() -> None:
    """The only other thing than a GUID that gets into a question."""
    assert kusto_time(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == "datetime(2026-01-01T00:00:00Z)"


KEY_USE = frozenset({PartName.KEY_USE})


def test_graph_s_report_tells_the_last_use_of_each_credential() -> None:
    """By key id; the newest of its uses, and nothing of a credential that was never used."""
    found = look(LICENSED, KEY_USE).key_use

    assert found == Known(KeyUse({SECRET: START - DAY / 2}))


def test_the_report_is_a_day_late() -> None:
    """What was used this morning is in it as last used weeks ago."""
    found = look(LICENSED, KEY_USE, behaviour=Behaviour.gentle(usage_report_delay=86_400.0)).key_use

    assert found == Known(KeyUse({SECRET: START - 20 * DAY}))


def test_a_credential_that_the_report_lists_unused_was_never_used() -> None:
    """Whether the service lists such is not verified."""
    found = look(LICENSED, KEY_USE, behaviour=Behaviour.gentle(usage_report_lists_unused=True)).key_use

    assert isinstance(found, Known)
    assert found.value.last[CERTIFICATE] is None


def test_without_the_licence_nothing_is_known_of_use() -> None:
    """Nor "never used"; no workspace has this report."""
    found = look(UNLICENSED, KEY_USE).key_use

    assert isinstance(found, CouldNotLook)
    assert "licence" in found.why.lower()


def witnessed(tenant: dict[str, Any], code: int, azure: dict[str, Any] = EXPORTED) -> list[str]:
    """The ids that the witness of a cut is told, of the last six hours and a bit."""

    async def story(place: Place) -> list[str]:
        pages = place.tenant.feeds.sign_ins(PrincipalId(PRINCIPAL), "servicePrincipal", code, START - DAY / 3)
        return [each.id async for page in pages for each in page]

    logs = {"signIns": HELD}
    return at(story, tenant, azure=azure, logs=logs, workspaces=None, behaviour=Behaviour.gentle())


def test_the_witness_of_a_cut_has_the_same_two_sources() -> None:
    """A refusal after the cut proves it, whoever tells; nothing told is no refusal."""
    assert witnessed(LICENSED, 7000215) == witnessed(UNLICENSED, 7000215) == ["s4"]
    assert witnessed(UNLICENSED, 0) == []


def test_a_witness_whose_log_has_stopped_does_not_vouch_for_the_time_since() -> None:
    """Nothing is told since then, of anybody: that is no proof that no token was issued."""
    azure, logs = EXPORTED, {"signIns": ticking(HOUR / 2, 6 * HOUR)}

    async def story(place: Place) -> list[str]:
        pages = place.tenant.feeds.sign_ins(PrincipalId(PRINCIPAL), "servicePrincipal", 0, START - DAY / 3)
        return [each.id async for page in pages for each in page]

    with pytest.raises(CordonError, match="they end at 2026"):
        at(story, UNLICENSED, azure=azure, logs=logs, workspaces=None, behaviour=Behaviour.gentle())


def test_a_witness_tells_what_the_log_shows_and_that_it_has_stopped() -> None:
    """One token from before the silence does not make the silence whole."""
    told = list[str]()

    async def story(place: Place) -> None:
        async for page in place.tenant.feeds.sign_ins(PrincipalId(PRINCIPAL), "servicePrincipal", 0, START - DAY / 3):
            told.extend(each.id for each in page)

    logs = {"signIns": [*ticking(HOUR / 2, 6 * HOUR), signed_in(9, 7 * HOUR)]}
    with pytest.raises(CordonError, match="they end at 2026"):
        at(story, UNLICENSED, azure=EXPORTED, logs=logs, workspaces=None, behaviour=Behaviour.gentle())
    assert told == ["s9"]


def polled(tenant: dict[str, Any], held: list[dict[str, Any]], azure: dict[str, Any] = EXPORTED) -> list[str]:
    """The ids of everybody's sign-ins of the last eight hours, but for the last."""

    async def story(place: Place) -> list[str]:
        pages = place.tenant.feeds.all_sign_ins("servicePrincipal", START - DAY / 3, START - HOUR)
        return [str(each["id"]) async for page in pages for each in page]

    return at(story, tenant, azure=azure, logs={"signIns": held}, workspaces=None, behaviour=Behaviour.gentle())


def test_a_poll_of_everybody_s_sign_ins_has_the_same_two_sources() -> None:
    """Whoever it was, and however it ended; in one order or the other."""
    held = [*HELD, *ticking(HOUR, timedelta())[:1], *ticking(HOUR, 9 * HOUR)]

    assert set(polled(LICENSED, held)) == set(polled(UNLICENSED, held)) == {"s4", "s5"}


def test_a_poll_does_not_take_a_log_that_has_stopped_for_a_quiet_one() -> None:
    """Whoever ends the export would otherwise sign in unseen, and coverage would say that it was read."""
    with pytest.raises(CordonError, match="records stopped at 2026"):
        polled(UNLICENSED, ticking(HOUR / 2, 6 * HOUR))
    with pytest.raises(CordonError, match="diagnostic settings"):
        polled(UNLICENSED, HELD, {})


ONE_HALF: dict[str, Any] = {
    "entraDiagnosticSettings": [{"logs": [{"category": "ServicePrincipalSignInLogs", "enabled": True}]}]
}


@pytest.mark.parametrize("unsent", ["missing", "empty"])
def test_a_log_that_is_not_sent_anywhere_is_told_as_that_and_the_other_is_read(unsent: str) -> None:
    """The diagnostic setting names one category: of the other the workspace has no table, or an empty one."""
    managed = payroll(
        principal={"servicePrincipalType": "ManagedIdentity"}, applications=[], federatedIdentityCredentials={}
    )

    async def story(place: Place) -> tuple[Gathered, list[str]]:
        pages = place.tenant.feeds.all_sign_ins("servicePrincipal", START - DAY / 3, START - HOUR)
        read = [str(each["id"]) async for page in pages for each in page]
        with pytest.raises(NotCollected, match=r"AADManagedIdentitySignInLogs.*diagnostic settings send none"):
            async for _ in place.tenant.feeds.all_sign_ins("managedIdentity", START - DAY / 3, START - HOUR):
                pass
        return await place.tenant.directory.look(replace(REF, app_object_id=None), SIGN_INS), read

    logs = {"signIns": [*HELD, *ticking(HOUR, timedelta())[:1], *ticking(HOUR, 9 * HOUR)]}
    behaviour = Behaviour.gentle(unsent_tables=unsent)
    found, read = at(
        story,
        {**managed, "licences": ["WorkloadIdentitiesPremium"]},
        azure=ONE_HALF,
        logs=logs,
        workspaces=None,
        behaviour=behaviour,
    )

    assert {*read} == {"s4", "s5"}
    assert "AADManagedIdentitySignInLogs" in why(found.sign_ins)
    assert "diagnostic settings send none there" in why(found.sign_ins)


def test_a_witness_who_hears_nothing_says_why() -> None:
    """Both reasons, and never "nobody tried"."""
    with pytest.raises(CordonError, match=r"licence.*diagnostic settings"):
        witnessed(UNLICENSED, 0, {})


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("tenant", [LICENSED, UNLICENSED])
def test_a_key_id_of_zeros_hides_no_federated_credential(tenant: dict[str, Any], *, zeros: bool) -> None:
    """Whoever reads the key id alone accuses a secret that nobody showed."""
    trust = "5a000000-0000-4000-8000-000000000001"

    async def story(place: Place) -> Gathered:
        place.practice.sign_in(PRINCIPAL, Credential(CredentialKind.FEDERATED, trust))
        return await place.tenant.directory.look(REF, frozenset({PartName.ATTEMPTS}))

    behaviour = Behaviour.gentle(federated_sign_ins_show_a_zero_key=zeros)
    found = at(story, tenant, azure=EXPORTED, logs={"signIns": []}, workspaces=None, behaviour=behaviour)

    assert [each.credential_id for each in log_of(found.attempts).records] == [trust]


def test_a_key_id_of_zeros_alone_names_no_credential() -> None:
    """As of a managed identity, whose credentials nobody sees."""
    assert shown_at_sign_in("00000000-0000-0000-0000-000000000000", None) is None
    assert shown_at_sign_in("00000000-0000-0000-0000-000000000000", SECRET) == SECRET
    assert shown_at_sign_in(SECRET, None) == shown_at_sign_in(SECRET, "") == SECRET


OTHER = "0c0c0c0c-0000-4000-8000-00000000eeee"


def read_all(held: list[dict[str, Any]], into: list[str], azure: dict[str, Any] = EXPORTED) -> None:
    """As `polled`; what came before an error is kept in `into`."""

    async def story(place: Place) -> None:
        async for page in place.tenant.feeds.all_sign_ins("servicePrincipal", START - DAY / 3, START - HOUR):
            into.extend(str(each["id"]) for each in page)

    at(story, UNLICENSED, azure=azure, logs={"signIns": held}, workspaces=None, behaviour=Behaviour.gentle())


def test_a_flood_of_sign_ins_hides_only_its_own_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one answer does not hold is asked for by halves; a minute that is too full is named, the rest is told."""
    monkeypatch.setattr("shared.clients.sign_in_tables.MOST", 5)
    flood = [signed_in(100 + n, 3 * HOUR + n * timedelta(seconds=1), servicePrincipalId=OTHER) for n in range(12)]
    spread = [signed_in(200 + n, 5 * HOUR + n * timedelta(minutes=5), servicePrincipalId=OTHER) for n in range(12)]
    told: list[str] = []

    with pytest.raises(PartLost, match="more than 5 came in a minute") as lost:
        read_all([*flood, *spread, *ticking(HOUR, timedelta()), *HELD], told)
    assert {*(f"s{200 + n}" for n in range(12)), "s4", "s5"} <= {*told}
    assert sum((end - begin for begin, end in lost.value.stretches), timedelta()) <= timedelta(minutes=1)


def test_a_poll_of_a_time_before_the_records_begin_tells_which_time_that_is() -> None:
    """Entra sends nothing of the time before its setting, and what nobody looked at was not quiet."""
    told: list[str] = []

    with pytest.raises(PartLost, match="they begin at 2026-03-01 22:00 UTC") as lost:
        read_all(ticking(HOUR, timedelta(), 6)[:6], told)
    assert lost.value.stretches == ((START - DAY / 3, START - 5 * HOUR),)
    assert told == ["s1002", "s1003", "s1004", "s1005"]


ODD = signed_in(7, DAY / 6, servicePrincipalCredentialKeyId=None, status={"errorCode": "no number"})


def test_one_odd_record_does_not_hide_the_others() -> None:
    """It is handed on to the source, which sets it aside and says why; who signed in beside it is seen."""
    assert {"s4", "s5", "s7"} <= {*polled(UNLICENSED, [*HELD, ODD, *ticking(HOUR, timedelta())])}


def test_of_an_identity_s_log_with_an_odd_record_the_rest_is_told_and_how_much_is_not() -> None:
    """What the others show counts; what they do not show, the odd one may have been."""

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS)

    logs = {"signIns": [*HELD, ODD]}
    found = at(story, UNLICENSED, azure=EXPORTED, logs=logs, workspaces=None, behaviour=Behaviour.gentle())
    log = log_of(found.attempts)

    assert ([each.id for each in log.records], log.unread) == (["s4", "s3"], 1)
    assert "could not be read" in str(fell_silent(log))
