// The backend switcher. A script in the page's head has chosen the backend before the first paint; this one keeps
// the choice: across pages and visits, in other tabs, and in a link that named it.
(() => {
  "use strict";
  const KEY = "mithril-backend";
  const root = document.documentElement;
  const radios = [...document.querySelectorAll(".mb-switch input")];
  const linked = new URLSearchParams(location.search).get("backend");
  const kept = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is blocked
    }
  };

  // The address of a section whose code runs on the named backends only: in their view, unless the reader's shows it.
  window.mithrilAddress = (address, on = []) => {
    const view = kept() ?? root.dataset.backend;
    if (!on.length || view === "all" || on.includes(view)) return address;
    return address.replace(/(?=#|$)/, `?backend=${on[0]}`);
  };

  // What the reader asked for and the page lacks is told once: in the notice, and not in the page's head too.
  const tellOfMissing = (name) => {
    for (const note of document.querySelectorAll(".mb-missing")) note.hidden = note.dataset.missing !== name;
    for (const line of document.querySelectorAll("[data-not-on]")) line.hidden = line.dataset.notOn === name;
  };
  tellOfMissing(root.dataset.wanted);
  const offered = [...radios.map((radio) => radio.value), ...[...document.querySelectorAll("[data-missing]")].map((note) => note.dataset.missing)];
  if (linked && root.dataset.backend && ![...offered, root.dataset.backend].includes(root.dataset.wanted)) {
    const note = document.createElement("p");
    note.className = "mb-missing";
    note.dataset.missing = root.dataset.wanted;
    const shown = radios.find((radio) => radio.value === root.dataset.backend)?.parentElement.textContent.trim();
    note.textContent = `This page has no view named “${linked}”.${shown ? ` It shows ${shown}.` : ""}`;
    document.querySelector(".bd-article h1")?.after(note);
  }
  if (!radios.length) return;

  const titles = new Map(radios.map((radio) => [radio.value, radio.parentElement.textContent.trim()]));
  const show = (name) => {
    root.dataset.backend = name;
    for (const radio of radios) radio.checked = radio.value === name;
  };
  const keep = (name) => {
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // A browser that keeps nothing still switches this page.
    }
  };

  // Outputs bear the names of their backends. Side by side, code and passages need them too.
  for (const pane of document.querySelectorAll(".mb-pane")) {
    if (pane.querySelector(".mb-label")) continue;
    const label = document.createElement("p");
    label.className = "mb-label mb-compare";
    label.textContent = pane.dataset.backends.split(" ").map((name) => titles.get(name)).join(", ");
    pane.prepend(label);
  }

  show(root.dataset.backend);
  if (linked && titles.has(root.dataset.wanted)) keep(root.dataset.wanted);

  // Change the view, and leave what the reader looks at where it is, though what stands above it changes height.
  const article = document.querySelector(".bd-article");
  const change = (name, fixed) => {
    const bar = document.querySelector(".mb-bar").getBoundingClientRect().bottom;
    const common = [...article.querySelectorAll("h1, h2, h3, h4, p, pre, li, td")].filter((e) => !e.closest("[data-backends]"));
    const seen = fixed ?? common.find((e) => e.checkVisibility() && e.getBoundingClientRect().bottom > bar);
    const place = () => scrollY + (seen?.getBoundingClientRect().top ?? 0);
    const [before, top] = [place(), scrollY];
    root.style.overflowAnchor = "none"; // the browser would do half of it
    show(name);
    scrollTo({ top: top + place() - before, behavior: "instant" });
    requestAnimationFrame(() => root.style.removeProperty("overflow-anchor"));
    // The theme lets the keyboard scroll code that is too wide, but only looks at what is seen when a page opens.
    for (const pre of article.querySelectorAll("pre")) pre.tabIndex = pre.scrollWidth > pre.clientWidth ? 0 : -1;
  };

  const choose = (name, fixed) => {
    change(name, fixed);
    keep(name);
    tellOfMissing("");
    const url = new URL(location);
    if (url.searchParams.has("backend")) {
      url.searchParams.set("backend", name);
      history.replaceState(null, "", url);
    }
  };
  for (const radio of radios) radio.addEventListener("change", () => choose(radio.value));

  // A line in the place of code that runs on other backends: its buttons show it, and lead the keyboard on to it.
  for (const button of document.querySelectorAll(".mb-elsewhere button")) {
    button.addEventListener("click", () => {
      const line = button.closest(".mb-elsewhere");
      choose(button.dataset.show, line.previousElementSibling);
      let code = line.nextElementSibling;
      while (code && !code.checkVisibility()) code = code.nextElementSibling;
      code?.setAttribute("tabindex", "-1");
      code?.focus({ preventScroll: true });
    });
  }

  // A browser that goes back may restore the switcher as it was left, or the whole page: the latest choice holds.
  addEventListener("pageshow", (event) => {
    const name = event.persisted && !new URLSearchParams(location.search).has("backend") ? kept() : null;
    if (titles.has(name) && name !== root.dataset.backend) change(name);
    else show(root.dataset.backend);
  });
  addEventListener("storage", (event) => {
    if (event.key === KEY && titles.has(event.newValue)) change(event.newValue);
  });
})();
