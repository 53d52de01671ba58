"""
A containment that somebody works against: how often it was undone, when the next look is due, and from when on it is
left to people. Read from the incident's journal. Pure.
"""

from collections import Counter
from datetime import datetime, timedelta

from shared.case import AuditRecord
from shared.chain import Chain, Line
from shared.entries import (
    Applied,
    Approved,
    CounterMove,
    Entry,
    Intended,
    Planned,
    Rechecked,
    RechecksSet,
    UndoOrdered,
)
from shared.orders import order_in
from shared.standing import (
    looked_until,
    standing_plan,
)
from shared.untrusted import one_line

RECHECKS = (5.0, 60.0, 300.0, 900.0, 5700.0)  # seconds: race window … longest ordinary token + log delay
_UNTIL_RESUMED = timedelta(minutes=5)  # clocks may disagree by as much; then an old look is better than none
_LONGEST_FIRST_LOOK = 45.0
_CLOSE_ROUNDS = 30  # rounds of a fight at that distance; then it doubles with each
_LONGEST_DISTANCE = 900.0
FIGHT_WINDOW = timedelta(hours=24)
FIGHT_ROUNDS = 40  # so many within the window, and it is left to a person; nearly three hours by the distances above
STRIKES = 3  # so many times undone by somebody else, and a person is called; containment goes on


def is_struck(chain: Chain) -> bool:
    """The newest look found it undone by somebody else."""
    newest = chain.last(Rechecked)
    return newest is not None and newest.answer == "not-held"


def is_set_back(chain: Chain) -> bool:
    """Undone by somebody else, or not to be seen: either is contained again."""
    newest = chain.last(Rechecked)
    return newest is not None and newest.answer != "held"


def strikes(chain: Chain) -> int:
    """How often it was undone by somebody else, since an undo that a person ordered."""
    lines = chain.lines[chain.place(UndoOrdered) + 1 :]
    return sum(1 for line in lines if isinstance(line.entry, Rechecked) and line.entry.answer == "not-held")


def recent_setbacks(chain: Chain, now: datetime) -> int:
    """Looks that found it undone, and those that could not see: both are contained again, so both keep distance."""
    since = now - FIGHT_WINDOW
    undone = chain.place(UndoOrdered)  # what was struck before was given up with it
    looks = chain.told(Rechecked)
    counted = (look for record, look in looks if record.sequence > undone and record.time > since)
    return sum(1 for look in counted if look.answer != "held")


def fight_is_over(chain: Chain, now: datetime) -> bool:
    """Whether it is left to people: nobody gives way, or nobody can see."""
    return recent_setbacks(chain, now) >= FIGHT_ROUNDS


def keeps_distance(chain: Chain, now: datetime) -> bool:
    """In a fight: whether the next look is set already and not due yet, and no person asks for anything."""
    struck = recent_setbacks(chain, now) >= STRIKES
    newest = chain.last(RechecksSet)
    behind = max(chain.place(kind) for kind in (Rechecked, Applied, Planned, Approved))
    if not struck or newest is None or chain.place(RechecksSet) < behind:
        return False
    if standing_plan(chain) is None or order_in(chain, since=looked_until(chain)) is not None:
        return False
    due = chain.records[chain.place(RechecksSet)].time + timedelta(seconds=newest.after[0])
    return now < due


def first_look(chain: Chain, now: datetime) -> float:
    """Seconds; further apart in a fight that lasts, for each round costs quota that others need, and journal."""
    setbacks = recent_setbacks(chain, now)
    rounds = max(0, setbacks - STRIKES + 1)
    near = min(RECHECKS[0] * 2 ** min(rounds, 10), _LONGEST_FIRST_LOOK)
    return min(near * 2 ** max(0, setbacks - _CLOSE_ROUNDS), _LONGEST_DISTANCE)


def told_look(chain: Chain, series: int, place: int) -> Line | None:
    """What was written down of this look, if it was taken."""
    lines = (line for line in chain.lines if isinstance(line.entry, Rechecked))
    return next((line for line in lines if _place_of(line.entry) == (series, place)), None)


def is_written_since(chain: Chain, now: datetime) -> bool:
    """
    Whether it was contained again after these looks were set, and whoever did it has not set newer ones (yet).
    An old look that comes late might see it within the race window of those writes.
    """
    place = max(chain.place(Intended), chain.place(Applied))
    if place < chain.place(RechecksSet):
        return False
    return now - chain.records[place].time < _UNTIL_RESUMED


def left_of_race_window(chain: Chain, now: datetime) -> timedelta:
    """
    How long the newest write may still lose a race. An attempt that failed once it had sent messages for its looks
    writes no series down, and the next one sends the same series anew: the older messages come too early.
    """
    place = chain.place(Applied)
    if place < 0:
        return timedelta()
    window = timedelta(seconds=RECHECKS[0])
    passed = now - chain.records[place].time
    return min(max(window - passed, timedelta()), window)


def is_blind_at_the_end(chain: Chain, newest: RechecksSet) -> bool:
    """
    Whether a look could not see, nothing had to be written for it, and no other look of the series is to come:
    nobody would ever say how it ended.
    """
    blind = is_set_back(chain) and chain.place(Rechecked) > chain.place(RechecksSet)
    return blind and told_look(chain, newest.series, len(newest.after)) is not None


def actors_of(chain: Chain) -> str:
    """Who did it, most active first."""
    counted = Counter(move.actor for move in chain.all(CounterMove))
    return ", ".join(actor for actor, _ in counted.most_common(3)) or "somebody the audit log does not show yet"


def counter_move(record: AuditRecord) -> CounterMove:
    """An audit record about a contained identity, as the journal tells of it."""
    actor = record.actor
    where = f" from {actor.ip_address}" if actor.ip_address else ""
    name = actor.user_name or actor.user_id
    who = f"user {name}" if name else f"application {actor.principal_id or actor.client_id or 'not named by the log'}"
    return CounterMove(
        record_id=record.id,
        activity=record.activity_as_sent.strip(),
        at=record.at,
        actor=one_line(who + where, 300),
        user_id=actor.user_id,
        principal_id=actor.principal_id,
        client_id=actor.client_id,
        ip_address=actor.ip_address,
    )


def _place_of(entry: Entry) -> tuple[int, int] | None:
    return (entry.series, entry.number) if isinstance(entry, Rechecked) and entry.trigger == "schedule" else None
