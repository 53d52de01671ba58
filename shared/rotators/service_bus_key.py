"""One of the two keys of an authorization rule of Service Bus."""

from typing import ClassVar

from shared.rotators.two_keys import TwoKeys


class ServiceBusKey(TwoKeys):
    """See `TwoKeys`."""

    name: ClassVar[str] = "service-bus-key"
    what: ClassVar[str] = "service-bus"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.ServiceBus/namespaces/authorizationRules/read",
        "Microsoft.ServiceBus/namespaces/authorizationRules/listKeys/action",
        "Microsoft.ServiceBus/namespaces/authorizationRules/regenerateKeys/action",
    )
