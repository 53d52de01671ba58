"""
What a source is: it reads one record from outside into one signal.

Doors are per transport; the record's own type picks the source: the Event Grid event type, the
category of a diagnostic record, or the name of a poll.
"""

from typing import ClassVar, Protocol

from shared.signal import JsonObject, NotASignal, Signal


class Source(Protocol):
    """
    One entry of the catalogue; `name` is the file's name with dashes.

    `event_types` are the Event Grid / CloudEvents types whose `data` it reads, `categories` the diagnostic
    log categories whose records it reads. `read` takes either shape, raises MalformedSignal for a record
    that is not what it claims to be, and answers NotASignal for one that is not about a workload identity.
    `tenant_id` is this tenant's; a record that names another is malformed.
    """

    name: ClassVar[str]
    event_types: ClassVar[tuple[str, ...]]
    categories: ClassVar[tuple[str, ...]]

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal: ...
