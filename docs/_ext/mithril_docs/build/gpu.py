"""Records of GPUs that a machine of the build does not have: what ``docs/_gpu/check.py`` wrote on another machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from mithril_docs.backends import BACKENDS

#: Where the records are, in the folder of the pages.
FOLDER = "_gpu/records"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A thing that was tried: whether it worked, and what it said."""

    title: str
    works: bool
    says: str


@dataclasses.dataclass(frozen=True)
class GpuRecord:
    """What happened on a device: the backend, the hardware, the day, the versions, and each trial."""

    backend: str
    device: str
    hardware: str
    date: str
    system: str
    versions: dict[str, str]
    trials: tuple[Trial, ...]


def read_records(docs: Path) -> list[GpuRecord]:
    """The records of a folder of pages, by backend and device. Raises :class:`ValueError` where one cannot be shown."""
    return [_read(path) for path in sorted((docs / FOLDER).glob("*.json"))]


def _read(path: Path) -> GpuRecord:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        record = GpuRecord(**content | {"trials": tuple(Trial(**trial) for trial in content["trials"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path.name} is no record of docs/_gpu/check.py ({error}); make it anew") from error
    if record.backend not in BACKENDS:
        raise ValueError(f"{path.name}: there is no backend '{record.backend}'; name one of {', '.join(BACKENDS)}")
    if "cpu" in record.device.lower():
        raise ValueError(f"{path.name}: '{record.device}' is no GPU; keep records of GPUs only")
    return record
