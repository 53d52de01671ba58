"""credential-excess: more, or longer-lived, than the policy allows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Case, Key, Known, NotLooked, PartName, Password
from shared.conditions.credential_excess import CredentialExcess
from shared.conditions.interface import Met, NotMet, Unknown
from tests.conditions.cases import UNREADABLE, but, case, having
from tests.fakes import START, certificate, federated, password, payroll

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
        (replace(_secret(1, 10), end=None), NotMet),
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
