// Paste a traceback, get the entry of the catalogue. All of it happens in the page; `errors-index.js` holds the messages.
(() => {
  "use strict";
  const known = window.mithrilErrors ?? { entries: [], names: [], questions: [] };
  known.names = new Set(known.names);

  // Frames as Python prints them, and as IPython does.
  const FRAME = /File "?([^"\n]+?)"?(?:, line |:)(\d+), in ([\w.<>]+)/g;
  const LAST = /^(?:[\w.<>]+\.)?([A-Z]\w+)(?=:\s|:?$)/gm;
  const ANY = /(?:^|\s)(?:[\w.<>]+\.)?([A-Z]\w+)(?=:\s|:?$)/gm;
  const NAMED = /(Error|Exception|Warning|Exit|Interrupt|Iteration)$/;
  const clean = (text) => text.replace(/\x1b\[[\d;]*m/g, "").replace(/\\n/g, "\n").replace(/\\(['"])/g, "$1").trim();
  const framesOf = (text) => [...text.matchAll(FRAME)].map(([, file, line, name]) => [file.replace(/\\/g, "/"), name.split(".").pop(), +line]);
  const CALLS = /\bml\.\w|\bmithril\b/; // what a line says that uses Mithril
  // The line of the innermost frame, as Python prints it below the frame, and as IPython marks it.
  const lineOf = (text) => {
    const marked = [...text.matchAll(/^-+> ?\d+ (.*)$/gm)].at(-1)?.[1];
    return marked ?? [...text.matchAll(/^ *File "[^"\n]+", line \d+, in .*\n(?! *File )(.*)$/gm)].at(-1)?.[1] ?? "";
  };
  const isOurs = ([file]) => /(^|\/)mithril\//.test(file) || file === "<string>";
  const isForeign = ([file]) => /(site|dist)-packages\/|\/python3[^/]*\//.test(file);

  // Where in a text an error of each kind may begin: kind to what follows it. Lines without a kind stand under "".
  const startsOf = (text, kinds, whole) => {
    const starts = new Map([["", []]]);
    // Of a whole traceback the last error counts, and it begins a line; in a line that lost its breaks, any may.
    let all = [...text.matchAll(whole ? LAST : ANY)].filter(([, kind]) => kinds.has(kind) || (whole && NAMED.test(kind)));
    if (whole) all = all.slice(-1);
    for (const found of all) {
      const rest = text.slice(found.index + found[0].length).replace(/^:?\s*/, "");
      starts.set(found[1], [...(starts.get(found[1]) ?? []), rest]);
    }
    const lines = text.split("\n");
    if (!whole && lines.length < 6) starts.set("", lines.map((_, i) => lines.slice(i).join("\n").trimStart()));
    return starts;
  };

  const matches = (message, starts) => {
    const quote = message.kind === "KeyError" ? `['"]?` : "";
    message.regex ??= new RegExp(`^${quote}${message.pattern}${quote}(?:\\. Did you mean: .*)?\\s*(?:\\n|$)`);
    if (!message.pattern) return (starts.get(message.kind) ?? []).some((rest) => !rest);
    return [...(starts.get(message.kind) ?? []), ...starts.get("")].some((rest) => message.regex.test(rest));
  };

  // How sure it is that a message is the one pasted: 0 for not at all. `inner` is the innermost frame in Mithril.
  const score = (message, starts, inner) => {
    const [file, name, line] = inner ?? [];
    const places = message.places.filter(([f, n]) => n === name && `/${file}`.endsWith(`/${f}`));
    // Words that any Python program may meet count in Mithril only where they were seen to come from.
    const anywhere = message.telling && !(message.generic && inner);
    if ((!anywhere && !places.length) || !matches(message, starts)) return 0;
    const there = places.some(([, , first, last]) => first <= line && line <= last);
    return message.letters + 1 + (places.length ? 1000 : 0) + (there ? 1000 : 0);
  };

  // The entries with the words of a text, several where they explain the same, and whether the text speaks of Mithril
  // at all: a traceback passes through it, or through the reader's own files only and names something of it.
  const find = ({ entries, names }, pasted) => {
    const text = clean(pasted);
    const frames = framesOf(text);
    const inner = frames.filter(isOurs).at(-1);
    const kinds = new Set(entries.flatMap((entry) => entry.messages.map((message) => message.kind)));
    const starts = startsOf(text, kinds, frames.length > 0);
    const values = entries.map((entry) => Math.max(0, ...entry.messages.map((message) => score(message, starts, inner))));
    const most = Math.max(0, ...values);
    const last = text.slice(text.lastIndexOf("\n") + 1);
    const named = !frames.some(isForeign) && (last.match(/\w+/g) ?? []).some((word) => names.has(word));
    const sure = !frames.length || frames.some(isOurs) || named || text.includes("/mithril/") || CALLS.test(lineOf(text));
    return { sure, whole: frames.length > 0, found: most ? entries.filter((_, i) => values[i] === most) : [] };
  };

  // A message in part: words of it in their order, rare words counting more.
  const wordsOf = (text) => text.toLowerCase().match(/[a-z][a-z_]*[a-z]|[-+*@&|<>=]+(?=:)/g) ?? [];
  const plain = (pattern) => pattern.replace(/\[\\s\\S\]\*\?|\\s\+/g, " ").replace(/\\(.)/g, "$1");
  const indexed = ({ entries }) => {
    if (known.index) return known.index;
    const rows = entries.flatMap((entry) => entry.messages.map((message) => ({ entry, message, words: wordsOf(`${message.kind} ${plain(message.pattern)}`) })));
    const counts = new Map();
    for (const { words } of rows) for (const word of new Set(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
    const weigh = (word) => Math.log((rows.length + 1) / (counts.get(word) ?? 3)); // a word of no message is a value, as a rule
    for (const row of rows) row.weights = row.words.map(weigh);
    return (known.index = { rows, weigh });
  };
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

  // The sections of the trees that answer a question in plain words.
  const stem = (word) => word.replace(/(..)s$/, "$1");
  const asked = (pasted) => {
    const rows = (known.asked ??= known.questions.map((question) => ({ question, words: new Set(wordsOf(`${question.title} ${question.words}`).map(stem)) })));
    const met = (word) => rows.filter(({ words }) => words.has(word)).length;
    const weigh = (word) => (met(word) ? Math.log((rows.length + 1) / met(word)) : 1); // a word of no question fills, as a rule
    const wanted = [...new Set(wordsOf(clean(pasted)).map(stem))];
    if (!rows.length || wanted.length < 2 || wanted.length > 12 || /\w(Error|Exception)\b|[^\w\s?,.-]/.test(pasted.trim())) return { cover: 0, trees: [] };
    const weight = sum(wanted.map(weigh));
    const values = rows.map(({ words }) => sum(wanted.filter((word) => words.has(word)).map(weigh)) / weight);
    const most = Math.max(...values);
    return { cover: most, trees: rows.filter((_, i) => values[i] === most).slice(0, 2).map(({ question }) => question) };
  };

  // The heaviest words that two rows of words share, in order: their weight, and which they are.
  const shared = (wanted, { words, weights }) => {
    let above = Array(words.length + 1).fill([0, 0, 0]);
    for (const word of wanted) {
      const row = [[0, 0, 0]];
      words.forEach((other, i) => {
        let best = above[i + 1][0] >= row[i][0] ? above[i + 1] : row[i];
        const [weight, count, letters] = above[i];
        if (word === other && weight + weights[i] > best[0]) best = [weight + weights[i], count + 1, letters + word.length];
        row.push(best);
      });
      above = row;
    }
    return above.at(-1);
  };

  // The entries of the messages that share most with a text, the likeliest first, and whether they may be what it is
  // a part of: most of the text is theirs, and more than a word or two.
  const nearest = (pasted) => {
    const { rows, weigh } = indexed(known);
    const wanted = wordsOf(clean(pasted).split("\n").at(-1)).slice(0, 60);
    const weight = sum(wanted.map(weigh)) || 1;
    const ranked = rows
      .map((row) => {
        const [value, count, letters] = shared(wanted, row);
        const cover = value / weight;
        return { entry: row.entry, cover, value: value * cover * (1 + (0.5 * value) / (sum(row.weights) || 1)), likely: cover > 0.7 && count > 2 && letters >= 12 };
      })
      .filter(({ value }) => value > 0)
      .sort((a, b) => b.value - a.value);
    const found = [...new Set(ranked.map(({ entry }) => entry))].slice(0, 3);
    return { likely: Boolean(ranked[0]?.likely), cover: ranked[0]?.cover ?? 0, found };
  };

  const UNRELATED = "Nothing in this traceback is of Mithril. The same words are explained in: ";

  const link = (entry, root) => {
    const a = document.createElement("a");
    a.href = root + window.mithrilAddress(entry.url, entry.on);
    a.textContent = entry.title;
    return a;
  };

  const answer = (box, pasted, root) => {
    const place = box.querySelector("[role=status]");
    const say = (words, targets) => {
      place.append(words);
      targets.forEach((target, i) => place.append(i ? ", " : "", link(target, root)));
      if (targets.length) place.append(". ");
    };
    place.replaceChildren();
    if (!pasted.trim()) return;
    const { sure, whole, found } = find(known, pasted);
    if (found.length) return say(!sure ? UNRELATED : found.length > 1 ? "This is one of: " : "This is: ", found);
    const { likely, cover, found: near } = nearest(pasted);
    if (likely && !whole) return say("This may be: ", near);
    const asks = asked(pasted);
    if (!whole && asks.cover > Math.max(cover, 0.6)) return say("See in Troubleshooting: ", asks.trees);
    say(near.length ? "The catalogue does not know this error. Nearest by its words: " : "The catalogue does not know this error.", near);
  };

  // For the search: the entries that a text is a message of, or part of one; none where that is a guess.
  window.mithrilRecognize = (text) => {
    const { sure, found } = find(known, text);
    if (found.length) return sure ? found : [];
    const { likely, found: near } = nearest(text);
    return likely ? near.slice(0, 1) : [];
  };

  for (const box of document.querySelectorAll(".mb-paste")) {
    const root = document.documentElement.dataset.content_root ?? "";
    box.innerHTML = '<label>Paste an error, or ask in a few words<textarea rows="4" spellcheck="false" autocomplete="off"></textarea></label><p role="status"></p>';
    const field = box.querySelector("textarea");
    field.addEventListener("input", () => answer(box, field.value, root));
    const query = new URLSearchParams(location.search).get("q");
    if (query && find(known, query).found.length) {
      field.value = query;
      answer(box, query, root);
    }
  }
})();
