"""
Incidents: the open signals about one identity and all that was done; status derived on read, never stored.
"""

from enum import StrEnum


class Status(StrEnum):
    """
    Where an incident stands, computed from its journal (see `status_of`).

    CONTAINED needs two proofs: a fresh read after the writes, and another after the race window.
    """

    OPEN = "open"  # taken in; not decided yet
    IGNORED = "ignored"  # policy says so, with reasons
    WATCHED = "watched"  # noted, or `mode: watch` kept the plan from being carried out
    AWAITING_APPROVAL = "awaiting-approval"  # a person must decide
    CONTAINING = "containing"  # effects are under way
    PROVING = "proving"  # the cut was read back; the race window is still open
    CONTAINED = "contained"  # read back, and again after the race window
    NEEDS_ATTENTION = "needs-attention"  # something could not be done or proven: a person must act
    RELEASED = "released"  # undone on a person's order
