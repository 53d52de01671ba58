"""credential-excess: more, or longer-lived, than the policy allows."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.case import Case, Key, KeyUse, Known, NotLooked, Part, PartName, Password, SignIn, SignInLog
from shared.conditions.credential_excess import CredentialExcess
from shared.conditions.interface import Met, NotMet, Unknown
from tests.conditions.cases import UNREADABLE, but, case, having
from tests.fakes import START, certificate, federated, password, payroll
from tests.policy.test_baseline import DAY, sign_in

YEAR = timedelta(days=365)


def _secret(number: int, days: int, *, since: int = 1) -> Password:
    """A secret that was made so many days ago and ends in so many."""
    start, end = START - timedelta(days=since), START + timedelta(days=days)
    return replace(password(number), start=start, end=end)


def _key(number: int, usage: str = "Verify", group: str | None = None) -> Key:
    return replace(certificate(number, usage, group), end=START + YEAR)


THREE = having(case(), payroll(application=[_secret(1, 90), _key(2)], principal=[federated(3)]))


@pytest.mark.parametrize(
    ("allowed", "answer"),
    [(0, Met), (2, Met), (3, NotMet), (10, NotMet)],
)
def test_all_kinds_on_both_objects_are_counted_together(allowed: int, answer: type) -> None:
    """A secret, a certificate and a federated credential are three."""
    assert isinstance(CredentialExcess(more_than=allowed).check(THREE), answer)


def test_what_has_expired_or_serves_single_sign_on_does_not_count() -> None:
    """Nobody signs in with it as this workload."""
    signing = [_key(5, "Sign", "saml"), _key(6, "Verify", "saml")]
    state = payroll(application=[_secret(1, -1)], principal=signing)

    assert isinstance(CredentialExcess(more_than=0).check(having(case(), state)), NotMet)


@pytest.mark.parametrize(
    ("secret", "answer"),
    [
        (_secret(1, 364), NotMet),
        (_secret(1, 400), Met),
        (_secret(1, 10, since=720), Met),
        (replace(_secret(1, 10), start=None), NotMet),
        (replace(_secret(1, 10), start=START + YEAR, end=START + 2 * YEAR), Met),
        (replace(_secret(1, 10), end=None), Unknown),
    ],
)
def test_a_life_counts_from_its_begin_or_from_now(secret: Password, answer: type) -> None:
    """A start in the future is its maker's choice, and does not make its life shorter."""
    of: Case = having(case(), payroll(application=[secret]))

    assert isinstance(CredentialExcess(valid_longer_than=YEAR).check(of), answer)


def test_credentials_on_both_objects() -> None:
    """The portal shows those of the application alone."""
    both = CredentialExcess(on_both_objects=True)

    assert isinstance(both.check(THREE), Met)
    assert isinstance(both.check(having(case(), payroll(application=[_secret(1, 9), _secret(2, 9)]))), NotMet)


def test_a_certificate_that_is_marked_for_encryption_is_a_credential_in_a_second_place() -> None:
    """Whoever puts it there may mark it as well, and signs in with it all the same."""
    marked = _key(7)
    state = payroll(application=[_secret(1, 90)], principal=[marked])
    holder = replace(state.principals[0], token_encryption_key_id=marked.key_id)
    of = having(case(), replace(state, principals=(holder,)))

    assert isinstance(CredentialExcess(on_both_objects=True).check(of), Met)
    assert isinstance(CredentialExcess(more_than=1).check(of), NotMet)


def test_federated_credentials_that_could_not_be_read_may_be_the_ones_too_many() -> None:
    """Unknown, unless there are too many already."""
    state = payroll(application=[_secret(1, 90)])
    holder = replace(state.principals[0], federated=UNREADABLE)
    blind = having(case(), replace(state, principals=(holder,)))

    assert isinstance(CredentialExcess(more_than=1).check(blind), Unknown)
    assert isinstance(CredentialExcess(more_than=0).check(blind), Met)


def test_an_identity_that_was_not_read_is_asked_for() -> None:
    """It stands in the cheapest part there is."""
    finding = CredentialExcess(more_than=1).check(but(case(), identity=NotLooked()))

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.IDENTITY}


def test_a_condition_that_could_never_be_met_is_refused() -> None:
    """With no limit there is no excess."""
    with pytest.raises(ValueError, match="more-than"):
        CredentialExcess()
    assert isinstance(case().identity, Known)


MONTH = timedelta(days=30)
OLD = having(case(), payroll(application=[_secret(1, 90, since=200), _secret(2, 90, since=3)]))
UNUSED = CredentialExcess(unused_for=MONTH - timedelta(days=1))


def _signed_in(ago: timedelta, credential_id: str | None) -> SignIn:
    return replace(sign_in(ago), credential_id=credential_id)


def _log(*sign_ins: SignIn, days: int = 30) -> Part[object]:
    return Known(SignInLog(sign_ins, START - timedelta(days=days)))


def _report(**last: datetime | None) -> Part[object]:
    return Known(KeyUse({password(int(name[1:])).key_id: at for name, at in last.items()}))


def test_an_old_credential_in_no_sign_in_is_unused() -> None:
    """One of three days ago is too young to be; one that signed in yesterday is in use."""
    used = but(OLD, sign_ins=_log(_signed_in(DAY, password(1).key_id.upper())))
    found = UNUSED.check(but(OLD, sign_ins=_log(_signed_in(DAY, password(2).key_id))))

    assert isinstance(UNUSED.check(used), NotMet)
    assert isinstance(found, Met)
    assert password(1).key_id in found.reason


def test_graph_s_report_proves_use_where_no_log_is_to_be_had() -> None:
    """And disuse as of two days ago; what is in neither is not known."""
    blind = but(OLD, sign_ins=UNREADABLE)
    used, unused = _report(_1=START - 5 * DAY), _report(_1=START - 100 * DAY)
    found = UNUSED.check(but(blind, key_use=unused))

    assert isinstance(UNUSED.check(but(blind, key_use=used)), NotMet)
    assert isinstance(found, Met)
    assert "late" in found.reason
    assert isinstance(UNUSED.check(but(blind, key_use=_report())), Unknown)
    assert isinstance(UNUSED.check(but(blind, key_use=UNREADABLE)), Unknown)


def test_the_log_is_believed_before_the_report() -> None:
    """The report of this morning does not know of noon."""
    case_ = but(OLD, key_use=_report(_1=START - 100 * DAY), sign_ins=_log(_signed_in(DAY / 24, password(1).key_id)))

    assert isinstance(UNUSED.check(case_), NotMet)


def test_disuse_is_asked_for_source_by_source() -> None:
    """The report first, which may settle it; then the log, then what is older."""
    unasked = but(OLD, key_use=NotLooked(), sign_ins=NotLooked(), older_sign_ins=NotLooked())
    quarter = CredentialExcess(unused_for=3 * MONTH)
    asked = [
        UNUSED.check(unasked),
        UNUSED.check(but(unasked, key_use=_report())),
        quarter.check(but(unasked, key_use=_report(), sign_ins=_log())),
    ]

    assert [each.wants for each in asked if isinstance(each, Unknown)] == [
        {PartName.KEY_USE},
        {PartName.SIGN_INS},
        {PartName.OLDER_SIGN_INS},
    ]
    assert isinstance(UNUSED.check(but(unasked, key_use=_report(_1=START))), NotMet)


def test_a_log_that_begins_too_late_or_names_no_credential_proves_no_disuse() -> None:
    """Unknown, and never "unused"."""
    short = but(OLD, sign_ins=_log(days=10), older_sign_ins=UNREADABLE)
    longer = but(OLD, sign_ins=_log(days=10), older_sign_ins=_log(days=20))
    untold = but(OLD, sign_ins=_log(_signed_in(DAY, None)))

    assert isinstance(UNUSED.check(short), Unknown)
    assert isinstance(UNUSED.check(longer), Unknown)
    assert isinstance(UNUSED.check(but(longer, older_sign_ins=_log(days=60))), Met)
    assert isinstance(UNUSED.check(untold), Unknown)


def test_of_a_federated_credential_nobody_knows_how_old_it_is() -> None:
    """In use, it is told by its id; never seen, it may be of today."""
    of = having(case(), payroll(application=[federated(3)]))

    assert isinstance(UNUSED.check(but(of, sign_ins=_log(_signed_in(DAY, federated(3).id)))), NotMet)
    assert isinstance(UNUSED.check(but(of, sign_ins=_log())), Unknown)


def test_a_certificate_is_told_by_its_thumbprint() -> None:
    """Where the log gives no key id."""
    key = replace(_key(2, group="AB" * 20), start=START - 200 * DAY)
    shown = replace(sign_in(DAY), credential_id=None, thumbprint="ab" * 20)
    of = having(case(), payroll(application=[key]))

    assert isinstance(UNUSED.check(but(of, sign_ins=_log(shown))), NotMet)


@pytest.mark.parametrize("days", [1, 91])
def test_a_time_that_no_source_could_cover_is_refused(days: int) -> None:
    """A week is the least that says anything."""
    with pytest.raises(ValidationError, match="7d to 90d"):
        TypeAdapter(CredentialExcess).validate_python({"unused-for": f"{days}d"})


def test_a_log_that_has_fallen_silent_calls_no_credential_unused() -> None:
    """Whoever uses it since is not in there; whoever did before is."""
    silent = replace(SignInLog((), START - timedelta(days=30)), until=START - DAY)
    used = replace(silent, records=(_signed_in(2 * DAY, password(1).key_id),))

    assert isinstance(UNUSED.check(but(OLD, sign_ins=Known(silent))), Unknown)
    assert isinstance(UNUSED.check(but(OLD, sign_ins=Known(used))), NotMet)


def test_a_secret_without_an_end_is_not_taken_for_a_short_one() -> None:
    """Graph leaves it empty; federated trust has none either, and that is judged elsewhere."""
    endless = replace(password(1), start=START - DAY, end=None)
    longest = CredentialExcess(valid_longer_than=timedelta(days=90))

    assert isinstance(longest.check(having(case(), payroll(application=[endless]))), Unknown)
    assert isinstance(longest.check(having(case(), payroll(application=[federated(1)]))), NotMet)
