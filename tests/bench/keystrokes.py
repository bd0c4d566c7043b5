"""The search: from a keystroke to the answers that are shown, with the index loaded, and the bytes that loads."""

from __future__ import annotations

import gzip
import statistics
import tomllib
from pathlib import Path

from report import Rows

from mithril_docs.site.search import ENGINE, FILE, STEMMER, WORDS
from support.browser import chromium
from support.lighthouse import serve
from support.places import ROOT

#: Every so many a question is typed.
EVERY = 8

#: Milliseconds from an input event to the list that answers it, on the next frame.
ONE_KEY = """(value) => new Promise((done) => {
  const field = document.querySelector("input[role=combobox]"), list = document.querySelector("[role=listbox]");
  const began = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  seen.observe(list, { childList: true });
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
})"""


def measure(site: Path) -> tuple[Rows, str]:
    """Medians over the keystrokes of questions typed letter by letter, from the third letter on."""
    asked = tomllib.loads((ROOT / "tests/site/questions.toml").read_text("utf-8"))["question"][::EVERY]
    typed = [words[:end] for words in (row["words"] for row in asked) for end in range(3, len(words) + 1)]
    with serve(site) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{address}/search.html?q=model")
        page.wait_for_function("window.mithrilFind")
        page.evaluate("window.mithrilFind.ready")
        took = sorted(page.evaluate(ONE_KEY, words) for words in typed if words.strip() == words)
    files = [site / "_static" / name for name in (ENGINE, STEMMER, WORDS, FILE, "search-rank.js", "search.js")]
    size = sum(len(gzip.compress(file.read_bytes())) for file in files)
    rows: Rows = {
        "a keystroke, ms": {
            "median": statistics.median(took),
            "95 of 100": took[len(took) * 95 // 100],
            "highest": took[-1],
        },
        "loaded, KB gzip": {"index and engine": size / 1000},
    }
    return rows, f"{len(took)} keystrokes of {len(asked)} questions"
