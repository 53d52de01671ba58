"""Changes: several records of one act are one change."""

from datetime import timedelta

from shared.audit_changes import ChangeKind, changes, kinds_of
from shared.signal import JsonValue
from tests.conditions.cases import STRANGER, added, audit
from tests.policy.test_audit_grants import prop

PIPELINE = "77777777-0000-4000-8000-000000000002"
EDIT: JsonValue = {"displayName": "DisplayName", "oldValue": '["a"]', "newValue": '["b"]'}
TRUST: JsonValue = {"displayName": "FederatedIdentityCredentials", "oldValue": "[]", "newValue": '["ci"]'}
INCLUDED = prop("Included Updated Properties", "DisplayName")


def test_records_under_one_correlation_id_are_one_change() -> None:
    """With all their kinds, and the time of the first; the echo among them adds nothing."""
    made = changes(
        [
            audit("Add owner to application", on="Application", record="b", correlation="c-1"),
            audit("Update application", [INCLUDED], on="Application", record="c", correlation="c-1"),
            audit("Update application", [EDIT], record="a", correlation="c-1", ago=timedelta(minutes=61)),
        ]
    )

    (change,) = made
    assert change.kinds == {ChangeKind.OWNERS, ChangeKind.CONFIGURATION}
    assert [record.id for record in change.records] == ["a", "b"]


def test_another_actor_is_another_change_whatever_the_correlation_id() -> None:
    """A caller can choose that id, and so could hide behind somebody else's."""
    made = changes(
        [
            audit("Update application", [EDIT], record="a", correlation="c-1", by=PIPELINE),
            audit("Update application", [EDIT], record="b", correlation="c-1", by=STRANGER),
        ]
    )

    assert {change.actor.principal_id for change in made} == {PIPELINE, STRANGER}


def test_one_correlation_id_does_not_join_what_was_done_at_different_times() -> None:
    """A caller can choose that id, and could hide today's change in an old one of his own."""
    ago = [timedelta(minutes=m) for m in (4000, 3990, 60, 5)]
    records = [audit("Update application", [EDIT], record=str(n), correlation="c", ago=a) for n, a in enumerate(ago)]

    made = [[record.id for record in change.records] for change in changes(records)]
    assert made == [["0", "1"], ["2"], ["3"]]
    assert changes(records[::-1]) == changes(records)


def test_records_without_a_correlation_id_stand_for_themselves() -> None:
    """Nothing says that they belong together."""
    assert len(changes([audit("Update application", [EDIT], record=each) for each in "ab"])) == 2


def test_what_failed_is_no_change_and_a_time_out_may_be_one() -> None:
    """Of a time-out nobody knows."""
    made = changes(
        [
            audit("Add owner to application", record="a", result="failure"),
            audit("Add owner to application", record="b", result="timeout"),
        ]
    )

    assert [record.id for change in made for record in change.records] == ["b"]


def test_an_edit_that_tells_of_credentials_is_about_those() -> None:
    """Federated credentials have no activity of their own; what else the edit tells of counts as well."""
    assert kinds_of(audit("Update application", [TRUST, INCLUDED])) == {ChangeKind.CREDENTIALS}
    assert kinds_of(audit("Update application", [TRUST, EDIT])) == {ChangeKind.CREDENTIALS, ChangeKind.CONFIGURATION}
    assert kinds_of(audit("Update application", [EDIT])) == {ChangeKind.CONFIGURATION}
    assert kinds_of(added()) == {ChangeKind.CREDENTIALS}
