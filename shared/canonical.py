"""The one spelling of a JSON value that is hashed: what is sealed today is proven by it years from now."""

import json

# ASCII, and one spelling only: what is hashed must not depend on the order in which somebody filled a dict.
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
