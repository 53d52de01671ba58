"""What an attacker writes into a name is shown as text: parsed back, the report has only our structure."""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.entries import Entry, Investigated, NamedOutcome, PartRead, StepStopped
from shared.report import Report, as_markdown, make_report
from shared.report.markdown import HEADINGS, TITLE
from shared.report.plain import code, plain, visible
from tests.report.journals import (
    BLOCK,
    CONFIRM,
    REMOVE,
    RENEW,
    At,
    applied,
    beginning,
    credential,
    decided,
    done,
    held_back,
    identity,
    intended,
    journal,
    just_after,
    opened,
    planned,
    pre_image,
    rechecked,
    signal,
    started,
    verified,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "https://evil.example/?q=1 www.evil.example admin@evil.example",
    "mailto:admin@evil.example @someteam #12",
    "a | b || c",
    "```\n# Contained\n```",
    "`` ` ```",
    "# heading",
    "x\n# heading\n\n---\n",
    "- item",
    "1. item",
    "12) item",
    "> quote",
    "+ item",
    "    indented code",
    "\\| \\` \\\\",
    "**bold** __bold__ *it* _it_ ~~gone~~ $x$ ==m== ^s^",
    "&lt;b&gt; &#x3c;b&#62;",
    "name\u202egnp.exe\u2066\u200b\u00ad\ufeff",
    "a\r\nb\x00c\x1b[31md\x85e\u2028f",
    "\u3164\u115f",
    "[ref]: https://evil.example",
    "---",
    "===",
    "|---|---|",
    "<!-- hidden",
    "x” is contained since 2026. “y",
    "e" * 5000,
)
_TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=40),
    st.text(alphabet="`|<>[]()!*_~#&\\\n\r-+=.:/@ aw1\u202e\u200b$^\"'{}", max_size=30),
)


def hostile_report(text: str) -> str:
    """A report in which everything that can come from outside is this text."""
    cred = credential("federated", text[:80] or "x", text).model_copy(update={"detail": text, "usage": text})
    seen = identity(text).model_copy(update={"disabled_by_microsoft": text, "identity_kind": text})
    seen = seen.model_copy(update={"credentials": (*seen.credentials, cred)})
    look = Investigated(parts=(PartRead(name="audits", known=False, why_not=text),), identity=seen)
    outcome = NamedOutcome(action="a", outcome=text, reason=text)
    image = {**pre_image(REMOVE), "federated": [{"id": text, "name": text, "issuer": text}], text: text}
    plan = planned(BLOCK, REMOVE, RENEW, CONFIRM, not_done=[outcome])
    steps = tuple(s.model_copy(update={"target_name": text, "describe": text, "breaks": text}) for s in plan.steps)
    entries: Sequence[Any] = [
        [opened(), signal(text), started(because=text), look, decided(rule=text or "x")],
        plan.model_copy(update={"steps": steps}),
        done(BLOCK),
        [intended(REMOVE, before=image), applied(REMOVE), verified(REMOVE)],
        At(StepStopped(outcome=text, reason=text, todo=text), RENEW),
        rechecked(1, at=9),
        held_back("limits", todo=text),
    ]
    records = journal(*entries)
    return as_markdown(make_report(records, just_after(records)))


# A tiny reader of Markdown


_INERT = re.compile(r"\\[!-/:-@\[-`{-~]|(`+)(?!`).+?(?<!`)\1(?!`)")  # an escape or a code span, from the left


def without_code(line: str) -> str:
    """The line with its backslash escapes and code spans taken out: what is left is live."""
    return _INERT.sub("·", line)


def check_line(line: str) -> None:
    live = without_code(line)

    assert "<" not in line
    assert "`" not in live
    assert "[" not in live
    assert "]" not in live
    assert "@" not in live
    assert "://" not in live
    assert not re.search(r"www\.\S", live)
    assert not re.search(r"&(?!amp;|lt;|gt;)", live)
    assert all(unicodedata.category(c)[0] not in "CZ" or c == " " for c in line)


def cells(line: str) -> int:
    """How many cells a table row has: a pipe splits unless a backslash stands before it, also within code."""
    return len(re.findall(r"(?<!\\)\|", re.sub(r"\\\\", "", line))) - 1


@settings(max_examples=70, deadline=None)
@given(_TEXT)
@example("")
@example("\\")
@example("\\|")
@example("www")
@example("\\@w[ww.")
def test_no_name_becomes_markup(text: str) -> None:
    """Headings are exactly ours, every row has its table's cells, and nothing from outside is live."""
    lines = hostile_report(text).splitlines()

    assert [line for line in lines if line.startswith("#")] == [TITLE, *HEADINGS.values()]

    width = 0
    for line in lines:
        check_line(line)
        assert re.match(r"^$|#{1,2} |\||( {2})*- |\d+\. |[^\s#>`=~+-]", line), line
        if line.startswith("|"):
            width = width or cells(line)
            assert cells(line) == width, line
        else:
            width = 0


@pytest.mark.parametrize("text", HOSTILE)
def test_a_real_parser_sees_only_our_structure(text: str) -> None:
    """CommonMark with tables and linkifying finds the headings we wrote, no links, images, HTML or fences."""
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    plain_one, hostile = (parser.parse(hostile_report(t)) for t in ("payroll", text))

    assert kinds(hostile) <= kinds(plain_one)
    assert headings(hostile) == [h.lstrip("# ") for h in (TITLE, *HEADINGS.values())]


def kinds(tokens: Sequence[Any]) -> set[str]:
    """All kinds of tokens, those within lines too."""
    found: set[str] = set()
    for token in tokens:
        found |= {token.type} | kinds(token.children or ())
    return found - {"text_special"}


def headings(tokens: Sequence[Any]) -> list[str]:
    return [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]


@given(st.text(max_size=60))
def test_what_can_be_seen_reads_back_as_it_was(text: str) -> None:
    """Escaping takes no visible character away: undone, the text is there."""
    seen = visible(text)
    back = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(text).replace("`@`", "@"))

    assert back.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == seen.strip()


def test_hidden_and_reordering_characters_show_as_escapes() -> None:
    """A name that reads backwards or hides a line is shown with what makes it so."""
    assert visible("name\u202egnp.exe") == "name\\u202egnp.exe"
    assert visible("a\nb\x1b\u200b\u2028\U000e0041") == "a\\u000ab\\u001b\\u200b\\u2028\\U000e0041"


def test_long_text_is_cut_and_says_so() -> None:
    """Five thousand characters of name push nothing off the page."""
    assert visible("e" * 5000, 10) == "eeeeeeeeee …(4990 more characters)"


def test_a_code_span_cannot_be_ended_from_within() -> None:
    """Backticks, pipes and angle brackets become escapes that JSON reads as the same characters."""
    assert code('{"name": "a`b|c<d>"}') == '`{"name": "a\\u0060b\\u007cc\\u003cd\\u003e"}`'
    assert code("") == "` `"


def test_a_name_cannot_speak_for_us_in_the_headline() -> None:
    """A name that closes its quotation and claims to be contained stays within its quotation."""
    name = "x” is contained since 2026. “y"
    records = journal(opened(), signal(), Investigated(parts=(), identity=identity(name)))

    assert "“x' is contained since 2026. 'y”" in make_report(records, just_after(records)).headline


def test_a_report_of_plain_names_reads_plainly() -> None:
    """Escaping does not litter what an honest tenant has in it."""
    records = journal(beginning(), planned(BLOCK), done(BLOCK), rechecked(1, at=7))
    text = as_markdown(make_report(records, just_after(records)))

    assert "| Name | payroll-sync |" in text
    assert "\\" not in text.replace("https\\://", "").replace("\\u", "")


def _told(*entries: Entry | At | Sequence[Entry | At]) -> Report:
    records = journal(*entries)
    return make_report(records, just_after(records))


def test_routine_is_counted_and_not_told() -> None:
    """Later looks that found everything in place are one line each; the report as JSON has every record."""
    looks = [e for n, at in enumerate((7, 62, 302), start=1) for e in (verified(BLOCK, at=at), rechecked(n, at=at + 1))]
    told = _told(*beginning(), planned(BLOCK), *done(BLOCK), *looks)
    text = as_markdown(told)

    assert text.count("Fresh read: held") == 1
    assert text.count("Later look") == 3
    assert "record(s) of routine are not shown" in text
    assert sum(moment.text.startswith("Fresh read") for moment in told.timeline) == 4


def test_a_proof_that_came_back_is_told() -> None:
    """A read that did not hold is no routine, and neither is the one after it."""
    lost = [verified(BLOCK, "not-held", at=60), rechecked(2, "not-held", at=61)]
    again = [intended(BLOCK, 2, at=62), applied(BLOCK, round_=2, at=63), verified(BLOCK, round_=2, at=64)]
    text = as_markdown(_told(*beginning(), planned(BLOCK), *done(BLOCK), *lost, *again))

    assert text.count("Fresh read: held") == 2
    assert text.count("Fresh read: not-held") == 1


def test_each_grade_is_told_with_its_record() -> None:
    """A responder finds the record that a grade rests on, and reads what was not looked at yet."""
    text = as_markdown(_told(*beginning(), planned(BLOCK), *done(BLOCK), rechecked(1, at=7)))

    assert "Evidence: accepted " in text
    assert "; read back " in text
    assert "; held " in text
    assert "not looked at yet" in text
    assert "Before: `{" not in text
