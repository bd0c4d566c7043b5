"""The record of the real site's build, ``verification.json``: every page is well wherever it says that it runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from support.places import BACKENDS


def test_every_page_is_well_on_every_backend_it_declares(record: dict) -> None:
    assert set(record["environments"]) == set(BACKENDS)
    assert len(record["pages"]) >= 8
    for name, page in record["pages"].items():
        assert list(page["backends"]) and set(page["backends"]) == set(BACKENDS), name
        for backend, found in page["backends"].items():
            assert found["status"] in ("ok", "unsupported"), (name, backend, found)
        assert all(value["agrees"] for value in page["parity"].values()), name


def test_values_were_compared_on_all_backends(record: dict) -> None:
    compared = {name: page["parity"] for name, page in record["pages"].items() if page["parity"]}
    assert "tutorials/end_to_end/training" in compared
    for name, values in compared.items():
        ran = {b for b, found in record["pages"][name]["backends"].items() if found["status"] == "ok"}
        for value in values.values():
            assert set(value["values"]) == ran, name


def test_digits_are_read(record: dict) -> None:
    accuracy = record["pages"]["tutorials/end_to_end/training"]["parity"]["test_accuracy"]["values"]
    assert set(accuracy) == set(BACKENDS) and min(accuracy.values()) >= 0.95


def test_what_jit_costs_was_measured_on_all_backends(record: dict, site: Path) -> None:
    values = record["pages"]["backends/index"]["measured"]["cost_of_jit"]
    assert set(values) == set(BACKENDS)
    numbers = np.array(list(values.values()))
    assert numbers.shape == (len(BACKENDS), 2, 2, 3) and (numbers > 0).all()
    texts = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    figure = re.compile(r'#what-jit-costs"><span[^>]*>[\d.,]+\s(?:ms|s|MB)<')
    assert len([path for path, text in texts.items() if figure.search(text)]) > 4
    assert not [path for path, text in texts.items() if "(not measured)" in text]
