#!/usr/bin/env bash
# ipython 9.18.1, ipykernel 7.4.0, nbclient 0.11.0.
# A cell that raises an ExceptionGroup has no output of type "error": IPython prints the group's traceback to stderr itself
# and does not go through the kernel's traceback hook, so the page shows plain text with the path of IPython's own file.
# Expected: an "error" output with ename and traceback, as for any other exception. A checker that looks for "error" outputs
# in an executed notebook finds a failed cell clean; only the reply, which is not stored, says "error".
# Seen: ValueError -> ['error'], ExceptionGroup -> ['stream stderr']
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q ipython==9.18.1 ipykernel==7.4.0 nbclient==0.11.0 jupyter-client==8.10.0 nbformat==5.11.1
out=$("$dir/venv/bin/python" - <<'PY' 2> "$dir/log"
import nbclient
from nbformat.v4 import new_code_cell, new_notebook

sources = ("raise ValueError('a')", "raise ExceptionGroup('both', [ValueError('a'), TypeError('b')])")
book = new_notebook(cells=[new_code_cell(source) for source in sources])
nbclient.NotebookClient(book, timeout=120, allow_errors=True).execute()
for cell in book.cells:
    print([" ".join((output.output_type, output.get("name", ""))).strip() for output in cell.outputs])
text = book.cells[1].outputs[0].get("text", "")
print("IPython/core/interactiveshell.py" in text, "ExceptionGroup: both (2 sub-exceptions)" in text)
PY
) || { cat "$dir/log"; exit 1; }
want="['error']
['stream stderr']
True True"
if [ "$out" != "$want" ]; then
  echo "changed: outputs of a ValueError and of an ExceptionGroup:" $out
  exit 1
fi
echo "still so: a cell that raises an ExceptionGroup has no error output"
