#!/usr/bin/env bash
# ipykernel 7.4.0, nbclient 0.11.0, jupyter-client 8.10.0, ipython 9.18.1.
# ipykernel sends what an asyncio task prints or displays to the cell that created the task; nbclient keeps only what belongs
# to the cell it is running. What a task says while a later cell awaits it is in no cell of the executed notebook.
# A consumer of an asyncio.Queue started in one cell and fed in the next is such a task.
# Expected: the lines, in either cell. A thread started in one cell and printing during the next keeps its lines.
# Seen: outputs of the three cells: '', 'awaited\n', 'from a thread\njoined\n'
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q ipykernel==7.4.0 nbclient==0.11.0 jupyter-client==8.10.0 ipython==9.18.1 nbformat==5.11.1
out=$("$dir/venv/bin/python" - <<'PY' 2> "$dir/log"
import nbclient
from nbformat.v4 import new_code_cell, new_notebook

start = """
import asyncio, threading, time
async def speak():
    await asyncio.sleep(0.5)
    print("from a task")
    display("shown by a task")
def speak_later():
    time.sleep(2)
    print("from a thread")
task = asyncio.create_task(speak())
thread = threading.Thread(target=speak_later)
thread.start()
"""
book = new_notebook(cells=[new_code_cell(s) for s in (start, "await task\nprint('awaited')", "thread.join()\nprint('joined')")])
nbclient.NotebookClient(book, timeout=120).execute()
for cell in book.cells:
    print(repr("".join(output.get("text", output.output_type) for output in cell.outputs)))
PY
) || { cat "$dir/log"; exit 1; }
want="''
'awaited\\n'
'from a thread\\njoined\\n'"
if [ "$out" != "$want" ]; then
  echo "changed: outputs of the three cells:" $out
  exit 1
fi
echo "still so: what an asyncio task prints while a later cell awaits it is in no cell"
