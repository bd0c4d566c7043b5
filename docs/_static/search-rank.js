// From a query to the sections that answer it: BM25 of MiniSearch over the sections of `search-index.js`.
(() => {
  "use strict";
  const { pages, entries: rows, terms: words, fields, synonyms } = window.mithrilSearch;
  const { wordsOf, squash, unpack } = globalThis.mithrilWords;
  const KIND = ["page", "section", "card", "object", "error", "term"]; // as `search.py` counts them

  // How much each part of a section counts, each kind of section, and what else is weighed; set with one half of the
  // questions in tests/site, and tested with the other.
  const FIELDS = { title: 3.5, path: 1.75, page: 2.3, extra: 2.1, text: 0.8, asked: 2.5, code: 0.5 };
  const KINDS = { page: 0.8, section: 0.9, card: 0.6, object: 0.6, error: 0.5, term: 0.85 };
  const MESSAGE_KINDS = { ...KINDS, page: 1.1, section: 1, error: 1.7 };
  const WEIGHTS = { synonym: 1, share: 0.27, all: 0.6, prefix: 0.33, name: 1.9, card: 3.4, begins: 1.5, within: 1.3 };
  const PER_PAGE = 2;

  const slug = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[-\d]+|-+$/g, "");
  const terms = words.split(" ");
  const entries = rows.map(([page, anchor, kind, titles, on], id) => {
    const title = titles.at(-1) ?? pages[page][1];
    return { id, page, anchor: anchor === 0 ? slug(title) : anchor, kind: KIND[kind], titles, title, on, name: squash(title) };
  });

  // The words of a section's field: the index holds, for each word, the sections with it.
  const WRITTEN = { extra: 0, text: 1, asked: 2, code: 3 };
  const held = fields.map((lists) => {
    const bags = entries.map(() => []);
    lists.split(" ").forEach((list, word) => {
      for (const section of unpack(list)) bags[section].push(terms[word]);
    });
    return bags;
  });
  const split = new Map();
  const wordsOfTitle = (title) => {
    if (!split.has(title)) split.set(title, wordsOf(title));
    return split.get(title);
  };
  const fieldOf = (entry, field) => {
    if (field === "id") return entry.id;
    if (field in WRITTEN) return held[WRITTEN[field]][entry.id];
    if (field === "title") return wordsOfTitle(entry.title);
    if (field === "path") return entry.titles.slice(0, -1).flatMap(wordsOfTitle);
    return entry.titles.length ? wordsOfTitle(pages[entry.page][1]) : []; // page
  };
  const index = new MiniSearch({
    fields: Object.keys(FIELDS),
    extractField: fieldOf,
    stringifyField: (value) => value,
    tokenize: (value) => value,
    processTerm: (term) => term,
    searchOptions: { tokenize: (query) => query.split(" "), processTerm: (term) => term },
  });

  // In steps, so that the page answers to the keyboard meanwhile.
  const ready = (async () => {
    for (let first = 0; first < entries.length; first += 300) {
      index.addAll(entries.slice(first, first + 300));
      await new Promise((resolve) => setTimeout(resolve));
    }
  })();

  // Other words for a query's: those of the table whose key stands in it.
  const table = Object.entries(synonyms).map(([key, value]) => ({ key, words: ` ${wordsOf(key).join(" ")} `, value: wordsOf(value) }));
  const othersFor = (query, asked) => {
    const text = ` ${asked.join(" ")} `;
    const found = new Map(); // word to how much it counts
    for (const { key, words, value } of table) {
      if (!(words.trim() ? text.includes(words) : query.includes(key))) continue;
      const weight = WEIGHTS.synonym / value.length ** WEIGHTS.share;
      for (const word of value) found.set(word, Math.max(weight, found.get(word) ?? 0));
    }
    for (const word of asked) found.delete(word);
    return found;
  };

  // Words that the site has; a word that it has not is read as the nearest one, two letters apart at most.
  let vocabulary;
  const apart = (a, b, most) => {
    let [older, before] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
    for (let i = 1; i <= a.length; i++) {
      const row = [i];
      for (let j = 1; j <= b.length; j++) {
        row[j] = Math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], older[j - 2] + 1);
      }
      if (Math.min(...row) > most) return most + 1;
      [older, before] = [before, row];
    }
    return before[b.length];
  };
  const corrections = new Map();
  const corrected = (word) => {
    vocabulary ??= [...new Set([...terms, ...[...split.values()].flat(), ...table.flatMap(({ words }) => words.trim().split(" "))])];
    if (word.length < 4 || vocabulary.some((known) => known.startsWith(word))) return word;
    if (!corrections.has(word)) {
      let [best, least] = [word, word.length < 6 ? 1.5 : 2.5];
      for (const known of vocabulary) {
        if (Math.abs(known.length - word.length) > 2 || known.length < 4) continue;
        const distance = apart(word, known, Math.floor(least)) + (known[0] === word[0] ? 0 : 0.4);
        if (distance < least) [best, least] = [known, distance];
      }
      corrections.set(word, best);
    }
    return corrections.get(word);
  };

  const MESSAGE = /[A-Z]\w*(Error|Exception|Warning)\b|traceback|\b(cannot|can't|must|invalid|unexpected|expected|does not|is not|not found|has no|should be|required|unsupported)\b/i;

  // The sections for a query, best first, at most some: an entry each, its score, and the words of it that were found.
  const find = (query, limit = 40) => {
    const all = wordsOf(query).map(corrected);
    const asked = [...new Set(all)];
    const others = othersFor(query, all);
    if (!asked.length && !others.size) return [];
    const kinds = MESSAGE.test(query) && asked.length > 2 ? MESSAGE_KINDS : KINDS;
    const name = squash(query);
    const found = index.search([...asked, ...others.keys()].join(" "), {
      boost: FIELDS,
      combineWith: "OR",
      prefix: (term) => term.length > 2 && !others.has(term),
      weights: { prefix: WEIGHTS.prefix, fuzzy: 0.4 },
      boostTerm: (term) => others.get(term) ?? 1,
      boostDocument: (id) => kinds[entries[id].kind],
    });
    const parts = new Set(query.split(/\s+/).map(squash));
    const scored = found.map(({ id, score, queryTerms, terms: met }) => {
      const entry = entries[id];
      const direct = queryTerms.filter((term) => !others.has(term)).length;
      const through = queryTerms.length > direct ? 1 : 0;
      let value = score * (1 - WEIGHTS.all + WEIGHTS.all * Math.min(1, (direct + through) / Math.max(1, asked.length)));
      const card = entry.kind === "card";
      if (name.length > 2 && entry.name === name) value *= WEIGHTS.name * (card ? WEIGHTS.card : 1);
      else if (name.length > 2 && card && entry.name.startsWith(name)) value *= WEIGHTS.begins;
      else if (card && parts.has(entry.name)) value *= WEIGHTS.within;
      return { entry, score: value, terms: met };
    });
    return scored.sort((a, b) => b.score - a.score).slice(0, limit);
  };

  // What was found in groups of a page, in the order of each page's best; at most some of a page, and of methods that
  // several classes share only the first.
  const grouped = (found, perPage = PER_PAGE) => {
    const groups = new Map();
    const methods = new Set();
    for (const row of found) {
      const { page, kind, title } = row.entry;
      if (!groups.has(page)) groups.set(page, []);
      const method = kind === "object" ? `${page} ${title.split(".").at(-1)}` : "";
      if (groups.get(page).length >= perPage || methods.has(method)) continue;
      if (method) methods.add(method);
      groups.get(page).push(row);
    }
    return [...groups].filter(([, hits]) => hits.length).map(([page, hits]) => ({ page, hits }));
  };

  window.mithrilFind = { ready, find, grouped, wordsOf, pages, entries };
})();
