#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0, against pytest 9.1.1 with the same pytest-xdist.
# Under --dist loadgroup the tests of one xdist_group belong to one worker. With pytest 9.2.0 they run on several, without
# a warning, and everything passes: a resource that the group was to guard is used by several tests at a time.
# Expected: the same with both, or an error about versions that do not fit.
# Seen, 8 tests of one group, 4 workers: 1 worker with 9.1.1, 4 workers with 9.2.0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
cat > "$dir/test_group.py" <<'PY'
import os
import time

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_group(number):
    time.sleep(0.2)
    with open("workers", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
PY
workers() {
  "$dir/venv/bin/pip" install -q "pytest==$1" pytest-xdist==3.8.0
  rm -f "$dir/workers"
  (cd "$dir" && venv/bin/python -m pytest -q -p no:cacheprovider -n 4 --dist loadgroup test_group.py) > "$dir/log"
  sort -u "$dir/workers" | wc -l
}
before=$(workers 9.1.1)
after=$(workers 9.2.0)
if [ "$before" != 1 ] || [ "$after" -lt 2 ]; then
  echo "changed: one xdist_group runs on $before worker(s) with pytest 9.1.1 and on $after with 9.2.0"
  exit 1
fi
echo "still so: one xdist_group runs on 1 worker with pytest 9.1.1 and on $after with 9.2.0"
