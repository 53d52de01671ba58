"""A person's own week: in which hours somebody was active before, as far as sign-ins and audit records tell. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from shared.baseline import WEEK_HOURS, hour_of_week
from shared.case import CouldNotLook, Known, SeenOfPerson

LEAST = 10  # things done, to learn from
_TWO_WEEKS = timedelta(days=14)  # an hour of the week must have come by twice before its silence says anything
_SITTING = timedelta(days=1)  # before the act: what led to it is no habit


def is_odd(
    at: datetime, seen: Sequence[SeenOfPerson], acts: Iterable[datetime], busiest: int
) -> tuple[bool | None, str]:
    """
    Whether somebody acted in an hour of the week in which nothing of theirs is known, nor in the hours beside it.
    `seen` are all rungs of the look-back at them, `acts` when they acted otherwise. None while less than two weeks can
    be learned from, or where some of it could not be read.
    """
    end = at - _SITTING
    times = [each.record.at for one in seen if isinstance(one.sign_ins, Known) for each in one.sign_ins.value]
    times = [moment for moment in (*times, *acts) if moment < end]
    hours = {hour_of_week(moment) for moment in times}
    hour = hour_of_week(at)
    if not hours.isdisjoint({(hour + beside) % WEEK_HOURS for beside in (-1, 0, 1)}):
        return False, ""
    if gap := _gap(seen):
        return None, gap
    learned = end - min(times, default=end)
    if len(times) < LEAST or learned < _TWO_WEEKS - _SITTING:
        days = learned.total_seconds() / 86_400
        return None, f"{len(times)} acts over {days:.1f} days are too few to know their week ({LEAST} over two weeks)"
    if len(hours) > busiest:
        return False, ""
    return True, f"where {len(times)} acts over {learned.days} days show none of theirs"


def _gap(seen: Sequence[SeenOfPerson]) -> str | None:
    for one in seen:
        if not isinstance(one.sign_ins, Known):
            why = one.sign_ins.why if isinstance(one.sign_ins, CouldNotLook) else "they were not looked at"
            return f"sign-ins to learn from could not be read: {why}"
        if doubt := next((each for each in one.doubts if "sign-ins" in each), None):
            return doubt
    return None if seen else "nothing is known of their sign-ins"
