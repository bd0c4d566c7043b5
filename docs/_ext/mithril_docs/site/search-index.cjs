// Node: from texts on standard input to the words in them, by number. `search.py` calls it; `search-words.js` has the rules.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

for (const file of process.argv.slice(2)) vm.runInThisContext(fs.readFileSync(file, "utf8"), file);
const texts = JSON.parse(fs.readFileSync(0, "utf8")); // for each section, the text of each field

const bags = texts.map((fields) => fields.map((text) => {
  const bag = new Map();
  for (const word of globalThis.mithrilWords.wordsOf(text)) bag.set(word, (bag.get(word) ?? 0) + 1);
  return bag;
}));
const seen = new Map();
for (const bag of bags.flat()) for (const word of bag.keys()) seen.set(word, (seen.get(word) ?? 0) + 1);
const terms = [...seen.keys()].sort((a, b) => seen.get(b) - seen.get(a) || (a < b ? -1 : 1));
const number = new Map(terms.map((term, i) => [term, i]));

// A bag as a list: for each word, in the order of the numbers, how far it is from the one before; where it stands n times, -n behind it.
const listOf = (bag) => {
  let before = -1;
  return [...bag].map(([word, times]) => [number.get(word), times]).sort(([a], [b]) => a - b).flatMap(([word, times]) => {
    const step = word - before;
    before = word;
    return times > 1 ? [step, -times] : [step];
  });
};
process.stdout.write(JSON.stringify({ terms: terms.join(" "), bags: bags.map((fields) => fields.map(listOf)) }));
