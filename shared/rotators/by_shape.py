"""
Secrets without tags: what source a connection string is for, it says itself; that it is so, the source has to prove.
"""

from shared.case import CouldNotLook, Known
from shared.errors import CannotBeRead, Unreachable
from shared.estate import SecretSeen
from shared.rotators.forms import Form, source_named_in
from shared.rotators.interface import RotatorMeans
from shared.rotators.providers import Provider, read_provider
from shared.rotators.tags import PROVIDER, ROTATE, is_for, tag

_ENTITIES = {"service-bus": ("queues", "topics"), "event-hub": ("eventhubs",)}


def may_tell_by_shape(rotator: str, secret: SecretSeen) -> bool:
    """Whether no tag says what it is: then its value is looked at."""
    return not tag(secret, PROVIDER) and not tag(secret, ROTATE) and is_for(rotator, secret)


async def providers_in(form: Form, what: str, means: RotatorMeans) -> tuple[Provider, ...]:
    """
    The sources of this kind that the value may be for, by the name in it; none where no such source is seen. Raises
    Unreachable or CannotBeRead where nobody could look.
    """
    name, doing = source_named_in(form), f"looking for a {what} source"
    match await means.estate.sources.named(name, what) if name else Known(()):
        case Known(ids):
            found = [provider for each in ids if (provider := read_provider(each)) and provider.what == what]
            return tuple(rule for provider in found for rule in with_rules(provider, form))
        case CouldNotLook(why=why, may_help_later=True):
            raise Unreachable(doing, why)
        case CouldNotLook(why=why):
            raise CannotBeRead(doing, why)
        case _:
            raise Unreachable(doing, "nobody has looked")


def with_rules(provider: Provider, form: Form) -> tuple[Provider, ...]:
    """Of a namespace the rules that a connection string may be of: its own, and those of the queue, topic or hub."""
    if provider.whole:
        return (provider,)
    rule, entity = form.names.get("sharedaccesskeyname", ROOT_RULE), form.names.get("entitypath")
    places = [provider.resource]
    if entity and provider.resource.count("/") == _SEGMENTS_OF_A_NAMESPACE:
        places += [f"{provider.resource}/{kind}/{entity.lower()}" for kind in _ENTITIES.get(provider.what, ())]
    rules = [read_provider(f"{place}/authorizationrules/{rule.lower()}") for place in places]
    return tuple(each for each in rules if each is not None)


ROOT_RULE = "RootManageSharedAccessKey"  # the rule that every namespace has
_SEGMENTS_OF_A_NAMESPACE = 8  # /subscriptions/S/resourcegroups/G/providers/N/namespaces/NAME
