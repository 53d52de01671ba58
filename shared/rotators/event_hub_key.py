"""One of the two keys of an authorization rule of Event Hubs."""

from typing import ClassVar

from shared.rotators.two_keys import TwoKeys


class EventHubKey(TwoKeys):
    """See `TwoKeys`."""

    name: ClassVar[str] = "event-hub-key"
    what: ClassVar[str] = "event-hub"
    permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.EventHub/namespaces/authorizationRules/read",
        "Microsoft.EventHub/namespaces/authorizationRules/listKeys/action",
        "Microsoft.EventHub/namespaces/authorizationRules/regenerateKeys/action",
        "Microsoft.EventHub/namespaces/eventhubs/authorizationRules/read",
        "Microsoft.EventHub/namespaces/eventhubs/authorizationRules/listKeys/action",
        "Microsoft.EventHub/namespaces/eventhubs/authorizationRules/regenerateKeys/action",
    )
