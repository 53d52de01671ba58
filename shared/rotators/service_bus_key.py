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
        "Microsoft.ServiceBus/namespaces/queues/authorizationRules/read",
        "Microsoft.ServiceBus/namespaces/queues/authorizationRules/listKeys/action",
        "Microsoft.ServiceBus/namespaces/queues/authorizationRules/regenerateKeys/action",
        "Microsoft.ServiceBus/namespaces/topics/authorizationRules/read",
        "Microsoft.ServiceBus/namespaces/topics/authorizationRules/listKeys/action",
        "Microsoft.ServiceBus/namespaces/topics/authorizationRules/regenerateKeys/action",
    )
