"""Which state of the sources a site was made from."""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path


def commit_date(root: Path) -> str:
    """The day of the last commit, such as ``2026-01-31``; that of ``SOURCE_DATE_EPOCH`` where it is set.

    Empty where there is no Git, or no repository.
    """
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).date().isoformat()
    try:
        words = ["git", "-C", str(root), "log", "-1", "--format=%cs"]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
