"""Bodies as the records show them: secret values are not the records' business."""

import json
import re
from typing import cast

_SECRET = re.compile(r"secret(text|value)?$|password$|^value$|^proof$|privatekey$|assertion$|^p(fx|wd)$", re.IGNORECASE)
MASK = "***"


def masked(value: object) -> object:
    """The same JSON with every secret string masked. `key` of a certificate is public and stays."""
    if isinstance(value, dict):
        named = cast("dict[str, object]", value)
        return {name: MASK if _is_secret(name, inner) else masked(inner) for name, inner in named.items()}
    if isinstance(value, list):
        return [masked(each) for each in cast("list[object]", value)]
    return value


def masked_body(body: bytes) -> object:
    """A request body for the records; what is not JSON is not repeated at all."""
    if not body:
        return None
    try:
        return masked(json.loads(body))
    except ValueError:
        return f"{len(body)} bytes"


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, str) and value != "" and bool(_SECRET.search(name))
