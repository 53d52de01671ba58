"""
The one Responder of this process: built on first use, or brought along by a host of its own.

Nothing is built at import, because an error there would take every function away, and because
the Azure SDKs cost more to import than all of indexing.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.responder import Responder

_responder: "Responder | None" = None


def responder() -> "Responder":
    """
    The Responder, built from the environment when it is first asked for.

    Raises SettingsWrong or PolicyWrong, every time until what is wrong has been mended: nothing
    half-built is kept. Doors run on one event loop, so that nobody builds it twice.
    """
    global _responder
    if _responder is None:
        _responder = _build()
    return _responder


def use(responder: "Responder | None") -> None:
    """Let all doors speak to this Responder; None goes back to building one from the environment."""
    global _responder
    _responder = responder


def _build() -> "Responder":
    from shared.settings import Settings

    settings = Settings.read(os.environ)  # before the SDKs are imported: they would only delay the message
    from shared.wiring import Outside, build

    return build(settings, Outside.system(settings, os.environ))
