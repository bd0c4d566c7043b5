#!/usr/bin/env bash
# minisearch 7.2.0 (npm), Node.
# MiniSearch splits text at Unicode spaces and punctuation. Backticks, +, =, <, > and $ are symbols and a tab is a control
# character, so none of them splits: they stay in the term. In text taken from Markdown the words in backticks cannot be
# found by their names, not by prefix either, and neither can the cells of a table copied with tabs.
# Expected: `save_file` found by "save", as save_file without backticks is (an underscore does split).
# Seen: "save" finds 1 of 2 documents with and without prefix; "b", "width" and "tag" find none.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y > log
npm install --silent --no-audit --no-fund minisearch@7.2.0 >> log
cat > try.js <<'JS'
const MiniSearch = require("minisearch")
const texts = ["call save_file here", "call `save_file` here", "height\twidth", "a=b", "<tag>"]
const index = new MiniSearch({ fields: ["text"] })
index.addAll(texts.map((text, id) => ({ id, text })))
const ids = (query, options) => index.search(query, options).map((hit) => hit.id).join()
for (const query of ["save", "width", "b", "tag"]) {
  console.log(`${query}: [${ids(query)}] [${ids(query, { prefix: true })}]`)
}
console.log(`\`save: [${ids("`save")}]`)
JS
out=$(node try.js)
want='save: [0] [0]
width: [] []
b: [] []
tag: [] []
`save: [1]'
if [ "$out" != "$want" ]; then
  echo "changed: documents found, exactly and by prefix:" $out
  exit 1
fi
echo "still so: MiniSearch keeps backticks, tabs, = and < inside its terms"
