"""What came of writes that the tenant carries out one by one, in the journal's words."""

from shared.entries import WriteOutcome
from shared.refusals import refusal_name
from shared.tenant import WriteDone, WriteRefused, WriteResult, WriteUnknown


def outcome_of(name: str, result: WriteResult) -> WriteOutcome:
    """The outcome of one write, in the journal's words."""
    match result:
        case WriteDone(already=already):
            return WriteOutcome(write=name, outcome="already" if already else "accepted")
        case WriteRefused(error):
            return WriteOutcome(write=name, outcome="refused", detail=str(error), stop=refusal_name(error))
        case WriteUnknown(why):
            return WriteOutcome(write=name, outcome="unknown", detail=why)
