"""
Hosts of addresses: whose they are, and whose they only look like. Pure, and knows no list of public suffixes: a host
belongs to a domain if it is that or lies below it.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart. `host` is folded and without a dot at its end; "" where there is none."""

    text: str
    scheme: str
    host: str

    @property
    def is_web(self) -> bool:
        """
        Whether it leads to whoever has a host of the web; so does what hands tokens to an add-in within another
        application, which is told by where it comes from (brk-multihub://host).
        """
        return self.scheme in ("http", "https") or self.scheme.startswith("brk-")

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


# Where Microsoft itself takes tokens for its clients and platforms.
_MICROSOFT = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.live.com",
    "token.botframework.com",
    "global.consent.azure-apim.net",
)
# Below these anybody can take a name, and take it over once it is given up.
_SHARED = (
    "azurewebsites.net",
    "azurestaticapps.net",
    "azurefd.net",
    "azureedge.net",
    "azure-api.net",
    "azurecontainerapps.io",
    "cloudapp.azure.com",
    "cloudapp.net",
    "trafficmanager.net",
    "core.windows.net",
    "github.io",
    "gitlab.io",
    "pages.dev",
    "workers.dev",
    "vercel.app",
    "netlify.app",
    "herokuapp.com",
    "web.app",
    "firebaseapp.com",
    "amazonaws.com",
    "cloudfront.net",
    "ngrok.io",
    "ngrok-free.app",
    "ngrok.app",
    "trycloudflare.com",
    "devtunnels.ms",
)
_TOKENS = re.compile(r"[^a-z0-9]+")
# What can be read for what: letters of other scripts, then digits and pairs.
_LIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u04cf\u043c\u0442\u043a\u043d\u0432\u03bf\u03b1\u03bd\u03c1\u03c4\u03c5\u03b9\u03ba"
    "\u0131\u0261\u0251\u0585\u0578\u0475"
    "01358",
    "aeopcxyijshdqwlmtkhboavptuikigaonvolesb",
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SHORTEST_BRAND = 5  # shorter names are parts of too many words


def address_of(text: str) -> Address:
    """
    Take an address apart, as a browser would, which reads a backslash for a slash; one that cannot be has no host, and
    the scheme "?".
    """
    try:
        parts = urlsplit(text.strip().replace("\\", "/"))
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return Address(text, "?", "")
    return Address(text, parts.scheme.casefold(), host.casefold())


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of these domains, or lies below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def is_microsofts(host: str) -> bool:
    return host in _MICROSOFT


def is_on_shared_platform(host: str) -> bool:
    return is_below(host, _SHARED)


def looks_like(host: str, domains: Iterable[str]) -> str | None:
    """
    The domain that a host imitates without belonging to it: by letters that look alike (punycode is decoded), by
    one letter more, less or other, by another ending, or by carrying its name among other words. On a platform that
    many share a name is nobody's mark; nor is the first word of a domain that lies below another of these, such as
    "cloud" or "students".
    """
    if not host or is_microsofts(host) or is_on_shared_platform(host):
        return None
    seen, known = visible(host), tuple(domains)
    for domain in known:
        if _imitates(seen, host, domain) or (_is_a_name(domain, known) and _carries_name(seen, host, domain)):
            return domain
    return None


def imitates(text: str, domains: Iterable[str]) -> bool:
    """Whether a whole address, on the web, is at a host that imitates one of these domains and belongs to none."""
    address, known = address_of(text), tuple(domains)
    host = address.host.removeprefix("*.")
    return address.is_web and not is_below(host, known) and looks_like(host, known) is not None


def visible(host: str) -> str:
    """A host as people see it: punycode decoded where it can be."""
    return ".".join(_decoded(label) for label in host.split("."))


def skeleton(text: str) -> str:
    """What a text looks like at a glance: accents off, letters of other scripts and digits for what they resemble."""
    return _skeleton(text[:253])


@lru_cache(maxsize=4096)
def _skeleton(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in plain if not unicodedata.combining(each)).translate(_LIKE)
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain.replace("i", "l")


def _decoded(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def _imitates(seen: str, host: str, domain: str) -> bool:
    if is_below(host, (domain,)):
        return False
    labels = domain.split(".")
    tail = ".".join(seen.split(".")[-len(labels) :])
    return skeleton(tail) == skeleton(domain) or _is_one_off(skeleton(tail), skeleton(domain))


def _is_a_name(domain: str, domains: Sequence[str]) -> bool:
    """Whether a domain's first word is what people know it by."""
    return len(domain.split(".")[0]) >= _SHORTEST_BRAND and not is_below(domain, (d for d in domains if d != domain))


def _carries_name(seen: str, host: str, domain: str) -> bool:
    if is_below(host, (domain,)):
        return False
    brand = domain.split(".")[0]
    words = [word for word in _TOKENS.split(skeleton(seen)) if word]
    name = "".join(_TOKENS.split(skeleton(brand)))
    joined = ["".join(_TOKENS.split(skeleton(label))) for label in seen.split(".")]
    return any(word == name or _is_one_off(word, name) for word in (*words, *joined)) or any(
        name in label for label in joined
    )


def _is_one_off(text: str, other: str) -> bool:
    """Whether one letter was added, left out, changed, or two neighbours were swapped."""
    if text == other or abs(len(text) - len(other)) > 1 or min(len(text), len(other)) < _SHORTEST_BRAND:
        return False
    start = next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    rest, theirs = text[start:], other[start:]
    swapped = len(rest) == len(theirs) > 1 and rest[0] == theirs[1] and rest[1] == theirs[0] and rest[2:] == theirs[2:]
    return rest[1:] == theirs[1:] or rest[1:] == theirs or rest == theirs[1:] or swapped
