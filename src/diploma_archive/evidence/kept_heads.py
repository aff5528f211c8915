"""Heads that were kept outside the bucket, held against the chain that is in it.

Rule: whoever can write to the bucket can bring all of it back to an earlier state, which fits itself; only what was
kept elsewhere shows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from diploma_archive.evidence.findings import Finding, FindingClass
from diploma_archive.evidence.report_chain import Chain
from diploma_archive.model.run_head import RunHead


def compare_heads(heads: Iterable[RunHead], chain: Chain, said: str) -> list[Finding]:
    """Return what of some heads the chain lacks, or has with other bytes: nothing, where it only grew.

    Args:
        said: how they are known, as the end of a sentence: `when the chain was signed`.
    """
    findings = []
    for head in dict.fromkeys((head.key, head.sha256) for head in heads):
        key, sha256 = head
        report = chain.reports.get(key)
        if report is None:
            findings.append(Finding(FindingClass.MISSING_REPORT, key, f"it was there {said}"))
        elif report.sha256 != sha256:
            findings.append(Finding(FindingClass.ALTERED_REPORT, key, f"it had another hash {said}"))
    return findings
