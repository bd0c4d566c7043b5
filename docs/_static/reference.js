// The matrix: its table is filtered and sorted in place, and what was chosen stands in the page's address. A sign that
// has a reason shows it on a click and on focus. Without this script the table is whole, and a sign leads to its reason.
(() => {
  "use strict";
  const matrix = document.querySelector(".mb-matrix");
  if (!matrix) return;
  const form = matrix.querySelector("form");
  const status = form.querySelector("[role=status]");
  const table = matrix.querySelector(".mb-models");
  const heads = [...table.tHead.rows[0].cells];
  const columns = heads.map((head) => head.dataset.column);
  const levels = [...form.elements.verdict.options].map((option) => option.value);
  const fields = ["find", "family", "on", "verdict"];
  const reasonOf = (sign) => document.getElementById(sign.hash.slice(1));

  // What is read of a row, once: its cells' levels and reasons, and the words that can be searched for.
  const rows = [...table.tBodies[0].rows].map((row) => {
    const cells = [...row.cells].map((cell) => {
      const sign = cell.querySelector('a[href^="#why-"]');
      const told = sign ? [...reasonOf(sign).querySelectorAll("p:not(.mb-ran)")].map((p) => p.textContent).join(" ") : "";
      return { cell, level: cell.dataset.level, words: `${cell.textContent} ${told}`.toLowerCase() };
    });
    return { row, cells, family: row.dataset.family, name: row.cells[0].textContent };
  });
  let sort = "model"; // a column, behind a minus where it is turned round

  const show = () => {
    const { find, family, on, verdict } = form.elements;
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const seen = (column) => column < 2 || !on.value || columns[column] === on.value;
    heads.forEach((head, column) => (head.hidden = !seen(column)));
    let count = 0;
    for (const { row, cells, family: own } of rows) {
      const shown = cells.filter((_, column) => seen(column));
      const text = shown.map((cell) => cell.words).join(" ");
      row.hidden =
        (family.value !== "" && family.value !== own) ||
        (verdict.value !== "" && !shown.some((cell) => cell.level === verdict.value)) ||
        !words.every((word) => text.includes(word));
      cells.forEach(({ cell }, column) => (cell.hidden = !seen(column)));
      if (!row.hidden) count += 1;
    }
    const text = `${count} of ${rows.length} models`;
    if (status.textContent !== text) status.textContent = text;
  };

  const order = () => {
    const down = sort.startsWith("-");
    const column = columns.indexOf(sort.replace("-", ""));
    heads.forEach((head, other) => {
      if (other === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const compare = (a, b) =>
      column < 2
        ? a.cells[column].cell.textContent.localeCompare(b.cells[column].cell.textContent)
        : levels.indexOf(a.cells[column].level) - levels.indexOf(b.cells[column].level);
    rows.sort((a, b) => compare(a, b) * (down ? -1 : 1) || a.name.localeCompare(b.name));
    table.tBodies[0].append(...rows.map(({ row }) => row));
  };

  // The address: what was chosen is read from it, and written to it.
  const read = (search) => {
    const found = new URLSearchParams(search);
    for (const name of fields) {
      const field = form.elements[name];
      field.value = found.get(name) ?? "";
      if (field.selectedIndex < 0) field.selectedIndex = 0; // a link to what is not there
    }
    const wanted = found.get("sort") ?? "model";
    sort = columns.includes(wanted.replace("-", "")) ? wanted : "model";
    order();
    show();
  };
  const write = () => {
    const url = new URL(location);
    const now = { ...Object.fromEntries(fields.map((name) => [name, form.elements[name].value])) };
    now.sort = sort === "model" ? "" : sort;
    for (const [name, value] of Object.entries(now)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    // Who opens the address sees the table, which stands far down the page.
    if (Object.values(now).some(Boolean)) url.hash = form.id;
    else if (url.hash === `#${form.id}`) url.hash = "";
    history.replaceState(null, "", url);
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    show();
    write();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    read("");
    write();
  });
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      sort = (head.getAttribute("aria-sort") === "ascending" ? "-" : "") + columns[column];
      order();
      write();
    });
  });
  const plain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey);
  matrix.querySelector(".mb-signs").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || !plain(event)) return;
    event.preventDefault();
    read(link.search);
    write();
    form.scrollIntoView();
    form.elements.verdict.focus({ preventScroll: true });
  });

  // The heads of the table come to rest below the switcher, where that does so.
  const bar = document.querySelector(".mb-switch");
  const rest = () => {
    const { position, top } = getComputedStyle(bar);
    if (position === "sticky") matrix.style.setProperty("--mb-above", `${parseFloat(top) + bar.offsetHeight - 1}px`);
  };
  if (bar) new ResizeObserver(rest).observe(bar);

  // The reason of a sign, in a box beside it.
  const box = document.createElement("div");
  box.className = "mb-why";
  box.id = "why";
  box.popover = "manual";
  box.setAttribute("role", "tooltip");
  table.after(box);
  let open = null;
  const close = () => {
    open?.removeAttribute("aria-describedby");
    open = null;
    box.hidePopover();
  };
  const tell = (sign) => {
    if (open === sign) return;
    close();
    open = sign;
    const title = document.createElement("strong");
    title.textContent = sign.ariaLabel;
    const told = [...reasonOf(sign).querySelectorAll("p:not(.mb-ran)")].map((p) => p.cloneNode(true));
    box.replaceChildren(title, ...told);
    sign.setAttribute("aria-describedby", box.id);
    box.showPopover();
    const at = sign.getBoundingClientRect();
    const left = Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - 8);
    const below = at.bottom + 4 + box.offsetHeight < innerHeight;
    const top = below ? at.bottom + 4 : at.top - 4 - box.offsetHeight;
    Object.assign(box.style, { left: `${Math.max(8, left) + scrollX}px`, top: `${top + scrollY}px` });
  };
  const signOf = (event) => event.target.closest?.('.mb-models a[href^="#why-"]');
  table.addEventListener("focusin", (event) => (signOf(event) ? tell(signOf(event)) : close()));
  table.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !table.contains(event.relatedTarget)) close();
  });
  table.addEventListener("click", (event) => {
    if (!signOf(event) || !plain(event)) return;
    event.preventDefault();
    tell(signOf(event));
  });
  document.addEventListener("pointerdown", (event) => {
    if (!signOf(event) && !box.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  read(location.search);
  const [opened] = performance.getEntriesByType("navigation"); // who comes back is put where they were
  const chosen = fields.concat("sort").some((name) => new URLSearchParams(location.search).get(name));
  if (chosen && !location.hash && (opened?.type ?? "navigate") === "navigate") form.scrollIntoView({ behavior: "instant" });
})();
