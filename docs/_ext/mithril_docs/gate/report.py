"""What a maintainer reads: the verdict, what breaks users, and what the documentation must catch up with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader

from mithril_docs.backends import BACKENDS
from mithril_docs.gate.causes import Cause
from mithril_docs.gate.findings import BREAKS, CATCH_UP, NOTE

#: What each status says in two words.
WORDS = {
    0: "May ship",
    1: "Breaks documented behavior",
    3: "Documentation must catch up",
    4: "Cannot be installed or imported",
    5: "The gate failed",
}
#: Findings of one cause that the page and the summary list; report.json has all.
SHOWN = 12
HEADINGS = {
    BREAKS: "What breaks documented behavior",
    CATCH_UP: "What the documentation must catch up with",
    NOTE: "Noted",
}


@dataclasses.dataclass
class Report:
    """All that a run of the gate tells.

    Attributes
    ----------
    requirement, documented, candidate
        What was asked for, and the two versions.
    causes
        The findings by cause.
    counts
        How many results were ``run``, ``reused`` and ``compared``.
    status, verdict
        What the command ends with, and why, in a line.
    seconds
        By what was done.
    refused
        Why the candidate could use the network and write elsewhere; empty where it could not.
    quick
        Whether no page was run.
    """

    requirement: str
    documented: str
    candidate: str = ""
    causes: list[Cause] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    status: int = 0
    verdict: str = ""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    refused: str = ""
    quick: bool = False

    @property
    def words(self) -> str:
        """The status in two words."""
        return WORDS[self.status]

    def of(self, severity: str) -> list[Cause]:
        """The causes of a severity."""
        return [cause for cause in self.causes if cause.severity == severity]


def write(told: Report, folder: Path) -> None:
    """Write ``report.json``, ``report.html``, ``junit.xml`` and ``summary.md`` into a folder."""
    content = dataclasses.asdict(told)
    content["causes"] = [dataclasses.asdict(cause) | {"severity": cause.severity} for cause in told.causes]
    (folder / "report.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    place = Environment(loader=PackageLoader("mithril_docs.gate", "."), autoescape=True)
    page = place.get_template("report.html.jinja").render(told=told, headings=HEADINGS, shown=SHOWN, backends=BACKENDS)
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "junit.xml").write_bytes(_junit(told))
    (folder / "summary.md").write_text(markdown(told), encoding="utf-8")


def summary(told: Report) -> str:
    """A few lines for the terminal."""
    rows = [f"{told.words.upper()}: {told.requirement}: {told.verdict}"]
    for cause in told.of(BREAKS)[:SHOWN]:
        first = cause.findings[0]
        on = f" on {BACKENDS[first.backend].title}" if first.backend in BACKENDS else ""
        rows.append(f"  {cause.title}: {first.where}{on}: {first.what} ({len(cause.findings)} findings)")
    for cause in told.of(CATCH_UP)[:SHOWN]:
        rows.append(f"  to catch up: {cause.title}: {cause.findings[0].what}")
    if told.counts:
        rows.append(f"  {told.counts['run']} results made anew, {told.counts['reused']} reused")
    return "\n".join(rows)


def markdown(told: Report) -> str:
    """A summary for a pull request."""
    rows = [f"## Documentation gate: {told.words.lower()}", "", f"`{told.requirement}`: {told.verdict}.", ""]
    for severity, heading in HEADINGS.items():
        causes = told.of(severity)
        if not causes:
            continue
        rows += [f"### {heading}", ""]
        for cause in causes[:SHOWN]:
            first = cause.findings[0]
            on = f" on {BACKENDS[first.backend].title}" if first.backend in BACKENDS else ""
            more = f" ({len(cause.findings)} findings)" if len(cause.findings) > 1 else ""
            rows.append(f"- **{cause.title}**: {first.where}{on}: {first.what}{more}")
            if cause.program:
                rows += ["", "  ```python", *(f"  {row}" for row in cause.program.splitlines()), "  ```", ""]
        if len(causes) > SHOWN:
            rows.append(f"- and {len(causes) - SHOWN} more")
        rows.append("")
    if told.counts:
        rows.append(f"{told.counts['run']} results were made anew and {told.counts['reused']} reused.")
    return "\n".join(rows) + "\n"


def _junit(told: Report) -> bytes:
    """A test case for each finding, and one for the verdict."""
    every = [(cause, finding) for cause in told.causes for finding in cause.findings]
    failures = sum(finding.severity == BREAKS for _, finding in every)
    suite = ElementTree.Element("testsuite", name="gate", tests=str(len(every) + 1), failures=str(failures))
    case = ElementTree.SubElement(suite, "testcase", classname="gate", name="verdict")
    if told.status in (1, 4, 5):
        ElementTree.SubElement(case, "failure", message=_plain(told.verdict))
    for cause, finding in every:
        name = f"{finding.where} cell {finding.cell}" if finding.cell else finding.where
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{finding.area}.{finding.backend or 'all'}", name=_plain(name)
        )
        if finding.severity == BREAKS:
            failure = ElementTree.SubElement(case, "failure", message=_plain(finding.what))
            failure.text = _plain(f"{cause.title}\nwas: {finding.was}\nnow: {finding.now}")
        elif finding.severity != NOTE:
            ElementTree.SubElement(case, "skipped", message=_plain(finding.what))
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def _plain(words: str) -> str:
    """Text without the signs that XML cannot hold."""
    return "".join(sign for sign in words if sign in "\t\n" or (ord(sign) >= 32 and not 0xD800 <= ord(sign) <= 0xDFFF))
