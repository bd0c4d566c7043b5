#!/usr/bin/env bash
# myst-nb 1.4.0, jupytext 1.19.6 (nbformat 5.11.1, sphinx 9.1.1, ipykernel 7.4.0).
# One MyST text, two programs: a code-cell with ":load: part.py" runs that file on the site, and MyST-NB drops what stands in the
# cell, without a warning. jupytext, which reads the same format, keeps "load" as metadata and runs what stands in the cell
# (an empty cell where nothing does), so the notebook in JupyterLab and the page show different code and output.
# Expected: both read the file, or both leave it; and a word about the dropped lines.
# Seen: MyST-NB 'x = "file"', jupytext 'x = "cell"'
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q myst-nb==1.4.0 jupytext==1.19.6 nbformat==5.11.1 sphinx==9.1.1 docutils==0.22.4 myst-parser==5.2.0 ipykernel==7.4.0
cd "$dir"
mkdir site
echo 'extensions = ["myst_nb"]' > site/conf.py
echo 'x = "file"' > site/part.py
cat > site/index.md <<'MD'
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---

# Page

```{code-cell}
:load: part.py
x = "cell"
```
MD
venv/bin/python -m sphinx -q -W -D nb_execution_mode=force -b pseudoxml site built > log 2>&1 || { cat log; exit 1; }
page=$(grep -o 'x = "[a-z]*"' built/index.pseudoxml)
notebook=$(venv/bin/python -c 'import jupytext; print(jupytext.read("site/index.md").cells[-1].source)')
if [ "$page" != 'x = "file"' ] || [ "$notebook" != 'x = "cell"' ]; then
  echo "changed: MyST-NB shows '$page', jupytext has '$notebook'"
  exit 1
fi
echo "still so: a cell with :load: is the file's code in MyST-NB and the cell's own in jupytext"
