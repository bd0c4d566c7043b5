"""The proof of the release gate: every faulty candidate must be blocked, and every sound one let pass.

    python tests/gate/proof.py                     # all candidates, on the whole site
    python tests/gate/proof.py NAME... --quick     # some, by their files, public names and models alone
    python tests/gate/proof.py --sparing           # all, and in whole only those that --quick lets pass

Prints a line for each candidate, and in the end how many were blocked, how many of these under the operator at fault,
and each that was not as it must be. Its report is ``build/gate_proof/proof.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from make_candidates import Candidate, everything, installed, make

ROOT = Path(__file__).parent.parent.parent
#: The least that is asked of the gate.
BLOCKED, NAMED = 0.97, 0.90


def main() -> int:
    """Hold the gate against candidates. Returns 0 where it is as good as it must be, 1 where it is not."""
    parser = argparse.ArgumentParser(prog="nox -s gate_proof --", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="candidates; all where none is named")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the pages")
    parser.add_argument("--store", type=Path, default=ROOT / "build" / "store", help="the documented version's results")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gate_proof", help="folder of wheels and reports")
    parser.add_argument("--quick", action="store_true", help="call the gate with --quick")
    parser.add_argument("--sparing", action="store_true", help="call it in whole where --quick lets a candidate pass")
    options = parser.parse_args()
    known = everything()
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no candidate is named {', '.join(unknown)}")
    told = []
    for name in options.names or known:
        told.append(prove(known[name], options, quick=options.quick or options.sparing))
        if options.sparing and told[-1]["status"] in (0, 3):
            told[-1] = prove(known[name], options)
        print(line(told[-1]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "proof.json").write_text(json.dumps(told, indent=1) + "\n")
    return judge(told)


def prove(candidate: Candidate, options: argparse.Namespace, quick: bool = False) -> dict[str, Any]:
    """Hold the gate against one candidate, on the backends that it touches."""
    folder = options.out / candidate.name
    wheel = make(candidate, installed(), folder)
    places = ["--docs", str(options.docs), "--store", str(options.store), "--out", str(folder / "gate")]
    command = [sys.executable, "-m", "mithril_docs", "gate", str(wheel), *places, "--backends", *candidate.backends]
    command += ["--quick"] if quick else []
    env = {**os.environ, "PYTHONPATH": str(ROOT / "docs" / "_ext")}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    seconds = round(time.perf_counter() - start, 1)
    report = folder / "gate" / "report.json"
    told = json.loads(report.read_text()) if report.is_file() else {"causes": [], "counts": {}, "verdict": done.stderr}
    worst = next((cause for cause in told["causes"] if cause["severity"] == "breaks"), None)
    words = told["verdict"] if worst is None else _words(worst)
    return {
        "name": candidate.name,
        "kind": candidate.kind,
        "sound": candidate.sound,
        "status": done.returncode,
        "named": any(name.lower() in words.lower() for name in candidate.names),
        "first": words,
        "counts": told["counts"],
        "seconds": seconds,
        "quick": quick,
    }


def _words(cause: dict[str, Any]) -> str:
    first = cause["findings"][0]
    return f"{cause['title']}: {first['where']} on {first['backend'] or 'all'}: {first['what']}"


def line(told: dict[str, Any]) -> str:
    """What is said of a candidate."""
    passed = told["status"] in (0, 3)
    well = passed if told["sound"] else told["status"] in (1, 4) and told["named"]
    word = "passed" if passed else "blocked" if told["status"] in (1, 4) else f"ended with {told['status']}"
    return f"{'ok  ' if well else 'LOOK'} {word:8} {told['seconds']:6.1f} s  {told['name']}: {told['first'][:200]}"


def judge(told: list[dict[str, Any]]) -> int:
    """Print the figures; the exit status."""
    faulty = [one for one in told if not one["sound"]]
    sound = [one for one in told if one["sound"]]
    blocked = [one for one in faulty if one["status"] in (1, 4)]
    named = [one for one in blocked if one["named"]]
    stopped = [one for one in sound if one["status"] not in (0, 3)]
    if faulty:
        print(f"{len(blocked)} of {len(faulty)} faulty candidates blocked, {len(named)} under what is at fault")
    if sound:
        print(f"{len(stopped)} of {len(sound)} sound candidates blocked")
    good = not faulty or (len(blocked) >= BLOCKED * len(faulty) and len(named) >= NAMED * len(blocked))
    return 0 if good and not stopped else 1


if __name__ == "__main__":
    sys.exit(main())
