"""A checklist as JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from dualwatch.checks.document import CheckDocument, Entry
from dualwatch.report.terminal.checklist import STAGES
from dualwatch.report.terminal.console import plain_text


def xml(document: CheckDocument) -> str:
    """The document of ``check --json`` as XML: one suite per stage, pending ones as skipped."""
    root = ET.Element("testsuites", name="dualwatch check")
    for stage in STAGES:
        items = [item for item in document.entries if item.stage == stage]
        if items:
            _suite(root, stage, items)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _suite(root: ET.Element, stage: str, items: list[Entry]) -> None:
    told = [item.status for item in items]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"dualwatch.{stage}",
        tests=str(len(items)),
        failures=str(told.count("fail")),
        errors="0",
        skipped=str(told.count("skip") + told.count("pending")),
    )
    for item in items:
        case = ET.SubElement(suite, "testcase", classname=f"dualwatch.{stage}", name=item.id)
        observed = plain_text(item.observed)
        if item.status == "fail":
            failure = ET.SubElement(case, "failure", message=observed, type=item.code or "failed")
            failure.text = "\n".join(
                f"{name}: {plain_text(text)}"
                for name in ("title", "observed", "expected", "remedy")
                if (text := getattr(item, name))
            )
        elif item.status in ("skip", "pending"):
            ET.SubElement(case, "skipped", message=f"{item.status}: {observed}")
        else:
            ET.SubElement(case, "system-out").text = f"{item.status}: {observed}"
