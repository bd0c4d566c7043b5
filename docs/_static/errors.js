// Paste a traceback, get the entry of the catalogue. All of it happens in the page; `errors-index.js` holds the messages.
(() => {
  "use strict";
  const known = window.mithrilErrors ?? { entries: [], names: [] };
  known.names = new Set(known.names);

  // Frames as Python prints them, and as IPython does.
  const FRAME = /File "?([^"\n]+?)"?(?:, line |:)(\d+), in ([\w.<>]+)/g;
  const LAST = /^(?:[\w.<>]+\.)?([A-Z]\w+)(?=:\s|:?$)/gm;
  const ANY = /(?:^|\s)(?:[\w.<>]+\.)?([A-Z]\w+)(?=:\s|:?$)/gm;
  const NAMED = /(Error|Exception|Warning|Exit|Interrupt|Iteration)$/;
  const clean = (text) => text.replace(/\x1b\[[\d;]*m/g, "").replace(/\\n/g, "\n").replace(/\\(['"])/g, "$1").trim();
  const framesOf = (text) => [...text.matchAll(FRAME)].map(([, file, line, name]) => [file.replace(/\\/g, "/"), name.split(".").pop(), +line]);
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
    const sure = !frames.length || frames.some(isOurs) || named || text.includes("/mithril/");
    return { sure, found: most ? entries.filter((_, i) => values[i] === most) : [] };
  };

  // The entries that share most words with the last line, rare words counting more.
  const nearest = (entries, pasted) => {
    const wordsOf = (text) => new Set(text.toLowerCase().match(/[a-z]{3,}/g) ?? []);
    const all = entries.map((entry) => wordsOf(`${entry.title} ${entry.messages.map((m) => `${m.kind} ${m.pattern}`).join(" ")}`));
    const wanted = wordsOf(clean(pasted).split("\n").at(-1));
    const rarity = (word) => Math.log(entries.length / (1 + all.filter((words) => words.has(word)).length));
    const value = (words) => [...wanted].filter((word) => words.has(word)).reduce((sum, word) => sum + rarity(word), 0) / Math.sqrt(words.size + 4);
    const ranked = entries.map((entry, i) => [value(all[i]), entry]).filter(([v]) => v > 0).sort((a, b) => b[0] - a[0]);
    return ranked.slice(0, 3).map(([, entry]) => entry);
  };

  const link = (entry, root) => {
    const a = document.createElement("a");
    a.href = root + entry.url;
    a.textContent = entry.title;
    return a;
  };

  const answer = (box, pasted, root) => {
    const place = box.querySelector("[role=status]");
    place.replaceChildren();
    if (!pasted.trim()) return;
    const { sure, found } = find(known, pasted);
    const others = found.length ? found : nearest(known.entries, pasted);
    if (!found.length) place.append("The catalogue does not know this error. ");
    else if (!sure) place.append("Nothing in this traceback is of Mithril. ");
    if (!others.length) return;
    if (!found.length) place.append("Nearest by its words: ");
    else place.append(!sure ? "The same words are explained in: " : found.length > 1 ? "This is one of: " : "This is: ");
    others.forEach((entry, i) => place.append(i ? ", " : "", link(entry, root)));
    place.append(".");
  };

  for (const box of document.querySelectorAll(".mb-paste")) {
    const root = document.documentElement.dataset.content_root ?? "";
    box.innerHTML = '<label>Paste an error or a whole traceback<textarea rows="4" spellcheck="false" autocomplete="off"></textarea></label><p role="status"></p>';
    const field = box.querySelector("textarea");
    field.addEventListener("input", () => answer(box, field.value, root));
    const query = new URLSearchParams(location.search).get("q");
    if (query && find(known, query).found.length) {
      field.value = query;
      answer(box, query, root);
    }
  }
})();
