"""Hosts: whose they are, and whose they only look like."""

import pytest

from shared.hosts import address_of, is_below, looks_like, visible

OURS = ("contoso.example", "fabrikam.example")


@pytest.mark.parametrize(
    ("text", "scheme", "host"),
    [
        ("https://Login.Contoso.example:8443/cb?x=1", "https", "login.contoso.example"),
        ("https://contoso.example.", "https", "contoso.example"),
        ("https://user@evil.example/contoso.example", "https", "evil.example"),
        ("http://localhost:3000", "http", "localhost"),
        ("msal20000000://auth", "msal20000000", "auth"),
        ("urn:ietf:wg:oauth:2.0:oob", "urn", ""),
        ("https://evil.example\\@contoso.example/cb", "https", "evil.example"),
        ("https://[broken", "?", ""),
        ("", "", ""),
    ],
)
def test_an_address_is_taken_apart(text: str, scheme: str, host: str) -> None:
    """What stands before an @ is no host, and what cannot be read has none."""
    found = address_of(text)

    assert (found.scheme, found.host) == (scheme, host)


@pytest.mark.parametrize("text", ["http://localhost", "http://127.0.0.1:80", "http://127.9.9.9", "http://[::1]/cb"])
def test_loopback_in_all_its_spellings(text: str) -> None:
    """The machine of whoever opens it."""
    assert address_of(text).is_loopback


def test_below_a_domain_means_at_a_dot() -> None:
    """An ending alone makes no subdomain."""
    assert is_below("login.contoso.example", OURS)
    assert is_below("contoso.example", OURS)
    assert not is_below("evilcontoso.example", OURS)


@pytest.mark.parametrize(
    "host",
    [
        "c0ntoso.example",
        "contos\u043e.example",
        "xn--contos-pog.example",
        "c\u0585nt\u0585so.example",
        "contosso.example",
        "cotnoso.example",
        "contoso.net",
        "contoso-login.net",
        "login.contoso.example.evil.net",
        "mycontoso.net",
        "con-toso.net",
    ],
)
def test_what_imitates_a_domain_is_told(host: str) -> None:
    """Letters that look alike, one letter off, another ending, the name among other words."""
    assert looks_like(host, OURS) == "contoso.example"


@pytest.mark.parametrize(
    "host",
    [
        "contoso.example",
        "sso.contoso.example",
        "salesforce.com",
        "login.microsoftonline.com",
        "contoso.azurewebsites.net",
        "northwind.example",
        "",
    ],
)
def test_what_is_the_tenants_own_or_nothing_like_it_is_not(host: str) -> None:
    """On a platform that many share, a name is nobody's mark."""
    assert looks_like(host, OURS) is None


def test_the_first_word_of_a_domain_below_another_is_no_name() -> None:
    """A tenant that has verified cloud.contoso.example as well is not what every host with "cloud" in it imitates."""
    ours = ("contoso.example", "cloud.contoso.example")

    assert looks_like("app.cloudvendor.net", ours) is None
    assert looks_like("c1oud.contoso.net", ours) == "contoso.example"
    assert looks_like("app.cloudvendor.net", ("cloud.example",)) == "cloud.example"


def test_short_names_are_parts_of_too_many_words() -> None:
    """A brand of three letters imitates nothing by itself; the whole domain still can be imitated."""
    assert looks_like("labcde.net", ("abc.example",)) is None
    assert looks_like("abc.exarnple", ("abc.example",)) == "abc.example"


def test_punycode_that_cannot_be_decoded_stays_as_it_is() -> None:
    """It is shown and compared as it stands."""
    assert visible("xn--\u00e9.example") == "xn--\u00e9.example"
