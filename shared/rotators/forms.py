"""
How a credential stands in a secret's value: alone, or in a connection string, which stays one with a new credential.

A form is either surely understood or not at all: then there is None, and the secret is its owner's business. Values
live here for a moment only, and in nothing that can be printed.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote, urlsplit

_LONGEST = 25 * 1024  # bytes of a secret in Key Vault
_BARE_KEY = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_LOOKS_COMPOSED = re.compile(r"://|\b(?:password|pwd|accountkey|sharedaccesskey)\s*=|^\s*[{\[]", re.IGNORECASE)
_REDIS_HOST = re.compile(r"[A-Za-z0-9.-]+(?::\d{1,5})?")


class Form:
    """One value taken apart: the credential in it, and what stands around it. It shows itself to nobody."""

    __slots__ = ("__before", "__behind", "__encode", "__held", "names")

    def __init__(
        self,
        before: str,
        held: str,
        behind: str,
        *,
        encode: Callable[[str], str] = str,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """`names` are the parts that are no secret, by their name in lower case: the account, the rule, the user."""
        self.__before, self.__held, self.__behind, self.__encode = before, held, behind, encode
        self.names: Mapping[str, str] = names or {}

    @property
    def credential(self) -> str:
        """What opens the door."""
        return self.__held

    def holding(self, credential: str) -> str:
        """The same text around another credential."""
        return f"{self.__before}{self.__encode(credential)}{self.__behind}"

    def __repr__(self) -> str:
        return "Form(…)"

    def __reduce__(self) -> str:
        raise TypeError("a secret's value is not written anywhere")


def read_form(what: str, value: str) -> Form | None:
    """The form of a value that opens such a source; None where it is not surely understood."""
    if not value or len(value) > _LONGEST or not value.isprintable() or value != value.strip():
        return None
    for reader in _READERS[what]:
        if form := reader(value):
            return form if form.credential else None
    return None


def source_named_in(form: Form) -> str:
    """The name of the account, namespace, cache or server, where the value tells it; "" where it does not."""
    if account := form.names.get("accountname"):
        return account.lower()
    place = form.names.get("accountendpoint") or form.names.get("endpoint") or form.names.get("host") or ""
    host = place.lower().rpartition("//")[2].removeprefix("tcp:")
    return host.partition("/")[0].partition(".")[0]


def _fields(value: str, secret: tuple[str, ...], needs: tuple[tuple[str, ...], ...]) -> Form | None:
    """`Name=Value;Name=Value`: no name twice, no quoting, and of each group of names that are needed one is there."""
    parts = value.split(";")
    at, names = -1, dict[str, str]()
    for number, part in enumerate(parts):
        name, sign, text = part.partition("=")
        word = " ".join(name.lower().split())
        if not part.strip() and number == len(parts) - 1:
            continue  # a semicolon at the end
        if not sign or not word or word in names or text.strip()[:1] in ('"', "'", "{"):
            return None
        names[word] = text.strip()
        if word in secret:
            if at >= 0 or text != text.strip():
                return None
            at = number
    if at < 0 or not all(any(word in names for word in group) for group in needs):
        return None
    name, _, text = parts[at].partition("=")
    before = ";".join([*parts[:at], ""]) + f"{name}="
    shown = {word: each for word, each in names.items() if word not in secret}
    return Form(before, text, "".join(f";{each}" for each in parts[at + 1 :]), names=shown)


def _storage(value: str) -> Form | None:
    return _fields(value, ("accountkey",), (("accountname",),))


def _cosmos(value: str) -> Form | None:
    return _fields(value, ("accountkey",), (("accountendpoint",),))


def _bus(value: str) -> Form | None:
    return _fields(value, ("sharedaccesskey",), (("endpoint",), ("sharedaccesskeyname",)))


_USERS = ("user id", "uid", "user", "username", "user name")
_HOSTS = ("server", "host", "data source", "addr", "address")


def _database(value: str) -> Form | None:
    """ADO: the password, the user and the server, each by exactly one of its names."""
    form = _fields(value, ("password", "pwd"), (_USERS, _HOSTS))
    if form is None:
        return None
    users = [form.names[word] for word in _USERS if word in form.names]
    hosts = [form.names[word] for word in _HOSTS if word in form.names]
    if len(users) != 1 or len(hosts) != 1:
        return None
    before, _, behind = form.holding("\0").partition("\0")
    return Form(before, form.credential, behind, names={"user": users[0], "host": hosts[0]})


def _url(value: str, *schemes: str) -> Form | None:
    """`scheme://user:password@host/…`, with the password percent-encoded."""
    scheme, sign, rest = value.partition("://")
    if not sign or scheme.lower() not in schemes:
        return None
    userinfo, at, place = rest.partition("@")
    user, colon, password = userinfo.partition(":")
    if not at or not colon or set(userinfo) & set("/?#[]@ ") or "@" in place.partition("/")[0]:
        return None
    try:
        host = urlsplit(value).hostname
        credential = unquote(password, errors="strict")
    except ValueError:
        return None
    if not host or "password=" in place.lower() or re.search(r"%(?![0-9A-Fa-f]{2})", password):
        return None
    names = {"user": unquote(user), "host": host}
    return Form(f"{scheme}://{user}:", credential, f"@{place}", encode=_percent, names=names)


def _percent(text: str) -> str:
    return quote(text, safe="")


def _postgres_url(value: str) -> Form | None:
    return _url(value, "postgres", "postgresql")


def _redis_url(value: str) -> Form | None:
    return _url(value, "redis", "rediss")


def _redis(value: str) -> Form | None:
    """StackExchange: `host:port,password=…,ssl=True`."""
    host, *options = value.split(",")
    places = [number for number, each in enumerate(options) if each.partition("=")[0].strip().lower() == "password"]
    if not _REDIS_HOST.fullmatch(host) or len(places) != 1 or not all("=" in each for each in options):
        return None
    at = places[0]
    name, _, text = options[at].partition("=")
    if text != text.strip() or text[:1] in ('"', "'"):
        return None
    before = ",".join([host, *options[:at], f"{name}="])
    return Form(before, text, "".join(f",{each}" for each in options[at + 1 :]), names={"host": host.partition(":")[0]})


def _bare_key(value: str) -> Form | None:
    return Form("", value, "") if _BARE_KEY.fullmatch(value) else None


def _bare_password(value: str) -> Form | None:
    """A password can look like anything, but not like something that holds one."""
    if len(value) > 128 or " " in value or _LOOKS_COMPOSED.search(value):
        return None
    return Form("", value, "")


_READERS: Mapping[str, tuple[Callable[[str], Form | None], ...]] = {
    "storage": (_storage, _bare_key),
    "cosmos": (_cosmos, _bare_key),
    "service-bus": (_bus, _bare_key),
    "event-hub": (_bus, _bare_key),
    "redis": (_redis, _redis_url, _bare_key),
    "postgres": (_postgres_url, _database, _bare_password),
    "sql": (_database, _bare_password),
}
