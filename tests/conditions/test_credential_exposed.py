"""Did another identity expose a credential of this one?"""

from dataclasses import replace
from datetime import timedelta

from shared.conditions.credential_exposed import CredentialExposed
from shared.conditions.interface import Met, NotMet, Unknown
from shared.signal import Signal
from tests.conditions.cases import case
from tests.sources.test_exposed_secret import INCIDENT, read


def asked(condition: CredentialExposed, *signals: Signal) -> Met | NotMet:
    finding = condition.check(replace(case(), signals=signals))
    assert isinstance(finding, Met | NotMet)
    return finding


def test_an_exposed_credential_meets_it_and_names_the_incident() -> None:
    """The reason leads to where it was found."""
    finding = asked(CredentialExposed(), read())

    assert isinstance(finding, Met)
    assert INCIDENT in finding.reason
    assert "kv-pay/partner-secret" in finding.reason


def test_without_such_a_signal_it_is_known_not_to_be_met() -> None:
    """Nobody but Cordon says so, and Cordon has not."""
    assert isinstance(asked(CredentialExposed()), NotMet)


def test_another_source_with_the_same_facts_does_not_meet_it() -> None:
    """What is pushed can claim what it likes."""
    assert isinstance(asked(CredentialExposed(), replace(read(), source="directory-audit")), NotMet)


def test_tier_and_age_are_for_the_policy_to_say() -> None:
    """A secret within reach is less than one that was read."""
    late = replace(read(), observed_at=read().observed_at - timedelta(days=8))

    assert isinstance(asked(CredentialExposed(tiers=(2, 3)), read()), NotMet)
    assert isinstance(asked(CredentialExposed(tiers=(1,)), read()), Met)
    assert isinstance(asked(CredentialExposed(), late), NotMet)


def test_a_tag_that_the_value_does_not_bear_out_is_for_a_person() -> None:
    """Whoever may store a secret can write any client id on it: nobody is contained for that."""
    unsure = read(unsure="its value does not begin as that one does")
    finding = CredentialExposed().check(replace(case(), signals=(unsure,)))

    assert isinstance(finding, Unknown)
    assert "does not begin as that one does" in finding.reason
    assert isinstance(asked(CredentialExposed(), unsure, read()), Met), "one that is sure counts"
    assert isinstance(asked(CredentialExposed(tiers=(2,)), unsure), NotMet)
