// Node: from texts on standard input to the words in them, and where each stands. `search.py` calls it; `search-words.js`
// has the rules.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

for (const file of process.argv.slice(2)) vm.runInThisContext(fs.readFileSync(file, "utf8"), file);
const texts = JSON.parse(fs.readFileSync(0, "utf8")); // for each section, the text of each field

// For each word, by field: the sections that hold it, each with how often.
const found = new Map();
texts.forEach((fields, section) => fields.forEach((text, field) => {
  for (const word of globalThis.mithrilWords.wordsOf(text)) {
    if (!found.has(word)) found.set(word, fields.map(() => new Map()));
    const held = found.get(word)[field];
    held.set(section, (held.get(section) ?? 0) + 1);
  }
}));
const terms = [...found.keys()].sort((a, b) => (a < b ? -1 : 1));
const { pack } = globalThis.mithrilWords;
const fields = (texts[0] ?? []).map((_, field) => terms.map((term) => pack(found.get(term)[field])).join(" "));
process.stdout.write(JSON.stringify({ terms: terms.join(" "), fields }));
