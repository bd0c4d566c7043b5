"""The ``gpu`` directive: what was recorded on GPUs, and for which backends nothing was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mithril_docs.backends import BACKENDS
from mithril_docs.build.gpu import FOLDER, GpuRecord, read_records
from mithril_docs.site.state import build_of, digest, state_of, tells_of
from mithril_docs.site.tables import table

#: The topic of pages that show the records.
GPU = "gpu"
#: What stands where no record is.
NOT_CHECKED = "not checked"

_HEAD = ("Backend", "Device", "Date", "Versions", "Works", "Does not work")
_NOTHING = "\N{EN DASH}"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=520)  # behind the pages
    app.add_directive("gpu", GpuDirective)


def _collect(app: Sphinx) -> None:
    folder = Path(app.srcdir, FOLDER)
    state_of(app).topics[GPU] = digest([(path.name, path.read_bytes()) for path in sorted(folder.glob("*.json"))])


class GpuDirective(SphinxDirective):
    """``:::{gpu}``: the records of GPUs in a table, with a row for each backend that a GPU can compute for."""

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, GPU)
        try:
            records = read_records(Path(self.env.srcdir))
        except ValueError as error:
            raise self.error(str(error)) from error
        rows: list[list[Any]] = [list(_HEAD)]
        for name, backend in BACKENDS.items():
            if name not in build_of(self.env.app).environments or not backend.framework:
                continue
            own = [record for record in records if record.backend == name]
            rows += [_row(backend.title, record) for record in own]
            if not own:
                rows.append([backend.title, NOT_CHECKED, *[_NOTHING] * (len(_HEAD) - 2)])
        made = table(rows)
        made["classes"].append("mb-gpu")
        return [made]


def _row(title: str, record: GpuRecord) -> list[Any]:
    device = f"{record.hardware} ({record.device}), {record.system}" if record.hardware else record.device
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    works = "; ".join(trial.title for trial in record.trials if trial.works)
    fails = "; ".join(f"{trial.title}: {trial.says}" for trial in record.trials if not trial.works)
    return [title, device, record.date, versions, works or _NOTHING, fails or _NOTHING]
