// The search: a dialog on every page, and the same field on search.html. Nothing is loaded before a reader asks.
(() => {
  "use strict";
  const root = document.documentElement.dataset.content_root ?? "";
  const SCRIPTS = ["minisearch.js", "stemmer.js", "search-words.js", "search-index.js", "search-rank.js"];
  const SHOWN = 5; // pages with answers that are listed at first
  const SNIPPET = 170; // letters

  const script = (name) => new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = `${root}_static/${name}`;
    element.onload = done;
    element.onerror = () => failed(new Error(name));
    document.head.append(element);
  });

  let loading;
  const load = () => (loading ??= (async () => {
    for (const name of SCRIPTS) await script(name);
    await window.mithrilFind.ready;
    return window.mithrilFind;
  })());

  // The sections of the catalogue's entries that a query is a message of, or part of one. The messages are loaded when
  // a query may be one: when it has four words.
  let catalogue;
  const recognized = async (engine, query) => {
    if (query.split(/\s+/).length < 4 || !engine.entries.some(({ kind }) => kind === "error")) return [];
    try {
      if (!window.mithrilRecognize) await (catalogue ??= script("errors-index.js").then(() => script("errors.js")));
    } catch {
      return []; // the rest of the search works without it
    }
    return window.mithrilRecognize(query).flatMap(({ title, url }) => {
      const [address] = url.split("#");
      return engine.entries.find((entry) => engine.pages[entry.page][0] === address && entry.title === title) ?? [];
    });
  };

  // The texts of a page's sections, by the place of the section in its page.
  const texts = (window.mithrilTexts = []);
  const reading = new Map();
  const textsOf = async (page) => {
    if (!reading.has(page)) reading.set(page, script(`search/${page}.js`));
    await reading.get(page);
    return texts[page];
  };

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // The part of a text where most of the words that were found stand, these marked.
  const snippet = (engine, text, terms) => {
    const tokens = [...text.matchAll(/[\p{L}\p{N}_]+/gu)].map((found) => ({
      from: found.index, to: found.index + found[0].length, hit: engine.wordsOf(found[0]).some((word) => terms.has(word)),
    }));
    const hits = tokens.filter((token) => token.hit);
    const gain = (hit) => hits.filter((other) => other.from >= hit.from && other.to <= hit.from + SNIPPET).length;
    const best = hits.reduce((most, hit) => (!most || gain(hit) > gain(most) ? hit : most), null);
    let start = best ? Math.max(0, best.from - 30) : 0;
    if (start) start = text.indexOf(" ", start) + 1;
    const end = Math.min(text.length, start + SNIPPET);
    const parts = [start ? "… " : ""];
    let at = start;
    for (const token of hits.filter((hit) => hit.from >= start && hit.to <= end)) {
      parts.push(text.slice(at, token.from), make("mark", {}, text.slice(token.from, token.to)));
      at = token.to;
    }
    const last = end < text.length ? Math.max(at, text.lastIndexOf(" ", end)) : end;
    return [...parts, text.slice(at, last), last < text.length ? " …" : ""];
  };

  let count = 0;
  // Give a place its field, its line of status and its list; `leave` is called when a reader goes to an answer.
  const attach = (place, { onQuery = () => {}, leave = () => {}, quiet = false } = {}) => {
    const id = `mb-search-${(count += 1)}`;
    const list = make("div", { role: "listbox", id, "aria-label": "Answers", class: "mb-hits" });
    const status = make("p", { role: "status", class: "mb-search-status" });
    const field = make("input", {
      type: "search", name: "q", class: "mb-search-field", role: "combobox", placeholder: "Search", autocomplete: "off",
      autocapitalize: "off", spellcheck: "false", "aria-label": "Search", "aria-autocomplete": "list",
      "aria-expanded": "false", "aria-controls": id, enterkeyhint: "go",
    });
    place.replaceChildren(field, status, list);
    const options = () => [...list.querySelectorAll("[role=option]")];
    const choose = (option) => {
      for (const other of options()) other.setAttribute("aria-selected", String(other === option));
      if (option) field.setAttribute("aria-activedescendant", option.id);
      else field.removeAttribute("aria-activedescendant");
      option?.scrollIntoView({ block: "nearest" });
    };

    let answered = ""; // the query of the answers that are shown
    let entered = false; // Enter was pressed before they were there
    const show = (engine, query, messages) => {
      const first = messages.map((entry) => ({ entry, score: Infinity, terms: engine.wordsOf(query) }));
      const found = engine.find(query).filter(({ entry }) => !messages.includes(entry));
      const groups = engine.grouped([...first, ...found]);
      let number = 0;
      const shown = groups.map(({ page, hits }) => {
        const [address, title, section] = engine.pages[page];
        const group = make("div", { role: "group", "aria-label": title });
        group.append(make("div", { class: "mb-hit-page", "aria-hidden": "true" }, title, make("span", {}, section)));
        for (const { entry, terms } of hits) {
          const head = make("span", { class: "mb-hit-title" }, entry.titles.join(" › ") || title);
          const body = make("span", { class: "mb-hit-text" });
          const href = root + window.mithrilAddress(`${address}${entry.anchor ? `#${entry.anchor}` : ""}`, entry.on);
          const option = make("a", { role: "option", href, tabindex: "-1", id: `${id}-${(number += 1)}`, "aria-selected": "false" }, head, body);
          option.addEventListener("click", () => leave());
          option.tell = async () => {
            const all = await textsOf(page);
            const first = engine.entries.findIndex((other) => other.page === page);
            body.replaceChildren(...snippet(engine, all[entry.id - first], new Set(terms)));
          };
          group.append(option);
        }
        return group;
      });
      const put = (some) => {
        list.replaceChildren(...some);
        for (const option of options()) option.tell().catch(() => {});
      };
      put(shown.slice(0, SHOWN));
      answered = query;
      if (shown.length > SHOWN) {
        const more = make("button", { type: "button", class: "mb-hits-more" }, `${shown.length - SHOWN} more pages`);
        more.addEventListener("click", () => {
          put(shown);
          more.remove();
          field.focus();
        });
        status.replaceChildren(more);
      } else status.replaceChildren();
      const said = make("span", {}, groups.length ? `${number} sections on ${groups.length} pages` : `Nothing found for “${query}”. Try other words, or one word of the error.`);
      status.prepend(said);
      field.setAttribute("aria-expanded", String(groups.length > 0));
      choose(null);
      if (entered) options()[0]?.click();
      entered = false;
    };

    const answer = async () => {
      const query = field.value.trim();
      onQuery(query);
      if (!query) {
        list.replaceChildren();
        status.replaceChildren();
        field.setAttribute("aria-expanded", "false");
        return;
      }
      try {
        if (!window.mithrilFind) status.textContent = "Loading …";
        const engine = await load();
        const messages = await recognized(engine, query);
        if (field.value.trim() === query) show(engine, query, messages);
      } catch (error) {
        status.textContent = `The search could not be loaded: ${error.message} is missing. Reload the page.`;
      }
    };
    if (!quiet) field.addEventListener("focus", () => load().catch(() => {}), { once: true });
    field.addEventListener("input", () => {
      entered = false;
      answered = "";
      answer();
    });
    field.addEventListener("keydown", (event) => {
      const all = options();
      const now = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const next = event.key === "ArrowDown" ? now + 1 : now < 0 ? all.length - 1 : now - 1;
        choose(all[next] ?? null);
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (answered === field.value.trim()) (all[now] ?? all[0])?.click();
        else entered = true;
      }
    });
    return { field, answer };
  };

  const page = document.querySelector(".mb-search-page");
  if (page) {
    // The page puts the cursor into the field itself, which is no use of it yet.
    const { field, answer } = attach(page, {
      quiet: true,
      onQuery: (query) => history.replaceState(null, "", query ? `?q=${encodeURIComponent(query)}` : location.pathname),
    });
    field.value = new URLSearchParams(location.search).get("q") ?? "";
    field.focus();
    answer();
  }

  let dialog;
  const open = () => {
    if (page) return page.querySelector("input").focus();
    if (!dialog) {
      const place = make("div");
      dialog = make("dialog", { class: "mb-search", "aria-label": "Search" }, place);
      document.body.append(dialog);
      const { field } = attach(place, { leave: () => dialog.close() });
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      dialog.field = field;
    }
    if (!dialog.open) dialog.showModal();
    dialog.field.focus();
    dialog.field.select();
  };
  for (const button of document.querySelectorAll(".search-button__button")) button.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const combined = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k";
    if (!combined && (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey)) return;
    event.preventDefault();
    open();
  });
})();
