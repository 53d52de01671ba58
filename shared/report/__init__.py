"""
The incident as a person reads it: written from the journal alone, as data and as Markdown.
"""

from shared.report.markdown import as_markdown
from shared.report.model import Report
from shared.report.writing import make_report

__all__ = ["Report", "as_markdown", "make_report"]
