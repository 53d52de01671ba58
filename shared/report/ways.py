"""How a way back is put together: what it restores, the calls and the place in the portal, and what stays lost."""

import json

from shared.history import StepStory
from shared.report.model import WayBack
from shared.signal import JsonObject


def way(step: StepStory, restores: str, *calls: str, portal: str | None = None, cannot: str | None = None) -> WayBack:
    return WayBack(step=step.id, restores=restores, calls=calls, portal=portal, cannot=cannot)


def call(method: str, path: str, body: JsonObject | None = None) -> str:
    """A request as a person would send it."""
    return f"{method} {path}" + (f" {json.dumps(body)}" if body is not None else "")
