"""What doors put into the log, so that text from outside can neither end a line nor fake one."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.responder import Intake

_log = logging.getLogger("cordon.doors")


def say_set_aside(route: str, intake: "Intake") -> None:
    """Name every record that could not be used, and why."""
    for reason in intake.set_aside:
        _log.warning("A record that came by %s was set aside: %s", route, printable(reason))


def printable(text: str, limit: int = 500) -> str:
    """Text in one line of visible characters, cut where it gets long."""
    return ascii(text[:limit])[1:-1] + ("…" if len(text) > limit else "")
