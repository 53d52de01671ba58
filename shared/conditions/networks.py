"""Networks as a policy writes them: a range of addresses, or the number of an autonomous system."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from shared.case import SignIn

_SYSTEM = re.compile(r"AS([1-9][0-9]{0,9})")
_WIDEST = {4: 8, 6: 19}  # half of the internet is nobody's own


@dataclass(frozen=True, slots=True)
class Network:
    """One of the two."""

    addresses: IPv4Network | IPv6Network | None = None
    system: int | None = None

    def holds(self, sign_in: SignIn) -> bool:
        """Whether a sign-in came from it; not if the log does not tell."""
        if self.system is not None:
            return sign_in.network == self.system
        try:
            found = ip_address(sign_in.address or "")
        except ValueError:
            return False
        return self.addresses is not None and found in self.addresses


def _read(value: object) -> Network:
    if isinstance(value, Network):
        return value
    if isinstance(value, str) and (found := _SYSTEM.fullmatch(value)):
        return Network(system=int(found[1]))
    try:
        addresses = ip_network(value if isinstance(value, str) else "")
    except ValueError as problem:
        raise ValueError("must be addresses such as 20.50.0.0/16, or a system such as AS64500") from problem
    if addresses.prefixlen < _WIDEST[addresses.version]:
        raise ValueError(f"is too wide to be anybody's own: at most /{_WIDEST[addresses.version]}")
    return Network(addresses=addresses)


KnownNetwork = Annotated[
    Network,
    BeforeValidator(_read),
    WithJsonSchema({"type": "string", "maxLength": 50, "examples": ["20.50.0.0/16", "AS64500"]}),
]
