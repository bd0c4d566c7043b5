"""Growth: what a page costs where the site has several times as many, on NumPy."""

from __future__ import annotations

import re

from ours import Run, Site
from report import Rows

TIMES = 4


def measure(run: Run, only: set[str] | None) -> tuple[Rows, str]:
    """Cold execution and HTML a page, of the pages and of several times as many; a no-op executes none."""
    sites = {"once": Site.copy(run, "once", only), f"{TIMES} times": Site.copy(run, "times", only)}
    multiply(sites[f"{TIMES} times"])
    rows: Rows = {"execution": {}, "HTML": {}, "nothing changed": {}}
    counted = []
    for name, site in sites.items():
        site.warm("numpy")
        executed, rendered = site.execute("numpy", "--force"), site.render("numpy")
        again = site.execute("numpy")
        counted.append(f"{executed.executed}, then {again.executed}")
        wanted = sum("numpy" in page.backends for page in site.pages)
        run.expect(executed.executed == wanted, f"growth, {name}: executed {executed.executed} of {wanted} pages")
        run.expect(again.executed == 0, f"growth, {name}: executed {again.executed} pages where nothing had changed")
        rows["execution"][name] = executed.seconds / wanted
        rows["HTML"][name] = rendered.seconds / wanted
        rows["nothing changed"][name] = (again.seconds + site.render("numpy").seconds) / wanted
    for row in rows.values():
        first, last = row.values()
        row["ratio"] = last / first
    return rows, f"seconds a page; executed when cold, then where nothing had changed: {'; '.join(counted)} pages"


def multiply(site: Site) -> None:
    """Copy every page that runs under names of its own, in the contents too. Links lead to the first."""
    index = site.docs / "index.md"
    for page in site.pages:
        if not page.runs or page.name == "index":
            continue
        names = [f"{page.name}-{number}" for number in range(2, TIMES + 1)]
        text = page.path.read_text()
        for number, name in enumerate(names, 2):
            labels = re.sub(r"^\(([\w-]+)\)=$", rf"(\1-{number})=", text, flags=re.MULTILINE)
            (site.docs / f"{name}.md").write_text(labels)
        entries = "\n".join([page.name, *names])
        index.write_text(re.sub(rf"^{re.escape(page.name)}$", entries, index.read_text(), flags=re.MULTILINE))
