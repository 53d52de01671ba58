"""Values taken apart and put together again: surely, or not at all."""

import pickle

import pytest

from shared.rotators.forms import read_form

KEY = "dGhpcyBpcyBhIGtleSBmb3IgdGhlIHRlc3Q+Lw=="
NEW = "bmV3IGtleSB3aXRoICsgYW5kIC8gaW4gaXQ/Pz8+Pj4="

UNDERSTOOD: list[tuple[str, str, dict[str, str]]] = [
    ("storage", "{}", {}),
    (
        "storage",
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={};EndpointSuffix=core.windows.net",
        {"accountname": "shop"},
    ),
    ("storage", "BlobEndpoint=https://shop.blob.core.windows.net/;AccountName=shop;AccountKey={}", {}),
    ("cosmos", "AccountEndpoint=https://shop.documents.azure.com:443/;AccountKey={};", {}),
    (
        "service-bus",
        "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={};EntityPath=q",
        {"sharedaccesskeyname": "send"},
    ),
    ("event-hub", "{}", {}),
    ("redis", "shop.redis.cache.windows.net:6380,password={},ssl=True,abortConnect=False", {}),
    ("redis", "shop.redis.cache.windows.net,ssl=True,password={}", {"host": "shop.redis.cache.windows.net"}),
    ("postgres", "{}", {}),
    (
        "postgres",
        "Server=shop.postgres.database.azure.com;Database=shop;Port=5432;User Id=keeper;Password={};Ssl Mode=Require;",
        {"user": "keeper", "host": "shop.postgres.database.azure.com"},
    ),
    ("sql", "Server=tcp:shop.database.windows.net,1433;Initial Catalog=s;User ID=keeper;Password={};", {}),
    ("sql", "Data Source=shop.database.windows.net;UID=keeper;PWD={}", {"user": "keeper"}),
]


@pytest.mark.parametrize(("what", "text", "names"), UNDERSTOOD)
def test_a_form_that_is_understood_is_kept_to_the_letter(what: str, text: str, names: dict[str, str]) -> None:
    """Only the credential is another, and it is found again in the new value."""
    form = read_form(what, text.format(KEY))

    assert form is not None
    assert form.credential == KEY
    assert form.holding(NEW) == text.format(NEW)
    assert names.items() <= form.names.items()
    again = read_form(what, form.holding(NEW))
    assert again is not None
    assert again.credential == NEW


@pytest.mark.parametrize(
    ("what", "url"),
    [
        ("postgres", "postgresql://keeper:{}@shop.postgres.database.azure.com:5432/shop?sslmode=require"),
        ("postgres", "postgres://keeper%40shop:{}@shop.postgres.database.azure.com/shop"),
        ("redis", "rediss://:{}@shop.redis.cache.windows.net:6380/0"),
    ],
)
def test_in_urls_the_credential_is_percent_encoded(what: str, url: str) -> None:
    """A slash or a plus of a key must not end the user's part."""
    form = read_form(what, url.format("dGhp%2Fcw%3D%3D"))

    assert form is not None
    assert form.credential == "dGhp/cw=="
    assert form.holding("a/b+c==") == url.format("a%2Fb%2Bc%3D%3D")


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("storage", ""),
        ("storage", "short"),
        ("storage", f" {KEY}"),
        ("storage", f"{KEY}\n"),
        ("storage", f'{{"key": "{KEY}"}}'),
        ("storage", f"AccountKey={KEY}"),
        ("storage", f"AccountName=a;AccountKey={KEY};AccountKey={KEY}"),
        ("storage", f"AccountName=a;accountkey={KEY};ACCOUNTKEY=x"),
        ("storage", f"AccountName=a;AccountKey= {KEY}"),
        ("storage", "AccountName=a;AccountKey="),
        ("storage", f"AccountName=a;;AccountKey={KEY}"),
        ("storage", f"AccountName=a;ACCOUNTNAME=b;AccountKey={KEY}"),
        ("storage", f"AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net "),
        ("storage", f"AccountName=a;AccountKey={KEY};EndpointSuffix=core\nwindows.net"),
        ("storage", "BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x"),
        ("service-bus", f"Endpoint=sb://a/;SharedAccessKey={KEY}"),
        ("service-bus", "Endpoint=sb://a/;SharedAccessSignature=SharedAccessSignature sr=1"),
        ("redis", f"a.example:6380,password={KEY},password={KEY}"),
        ("redis", f'a.example:6380,password="{KEY}"'),
        ("redis", f"a.example:6380,{KEY}"),
        ("redis", f"a.example:6380,password={KEY},ssl"),
        ("redis", "rediss://:ab/cd+efgh==@a.example:6380"),  # not encoded: the slash may begin a path
        ("postgres", "postgresql://keeper@a.example/shop"),
        ("postgres", "postgresql://keeper:p%zz@a.example/shop"),
        ("postgres", "postgresql://keeper:p@a.example/shop?password=q"),
        ("postgres", "postgresql://keeper:p@q@a.example/shop"),
        ("postgres", "jdbc:postgresql://a.example/shop?user=keeper&password=p"),
        ("postgres", "host=a.example user=keeper password=p"),
        ("postgres", '{"username": "keeper", "password": "p"}'),
        ("postgres", "a password with blanks"),
        ("sql", 'Server=a;User ID=keeper;Password="p;q"'),
        ("sql", "Server=a;User ID=keeper;Password=p;PWD=q"),
        ("sql", "Server=a;User ID=keeper;UID=other;Password=p"),
        ("sql", "Server=a;Password=p"),
        ("sql", "Server=a;User ID=keeper;Password={p;q}"),
        ("sql", "Server=a;User ID=keeper;Password={pq}"),
        ("sql", "jdbc:sqlserver://a:1433;user=keeper;password=p"),
        ("sql", "x" * 30_000),
    ],
)
def test_what_is_not_surely_understood_is_not_understood(what: str, value: str) -> None:
    """A value that is put together wrongly breaks whoever reads it."""
    assert read_form(what, value) is None


def test_a_form_shows_its_secret_to_nobody() -> None:
    """Not as text, not as a field, not as a pickle."""
    form = read_form("storage", KEY)

    assert form is not None
    assert KEY not in f"{form!r} {form}"
    assert not hasattr(form, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(form)
