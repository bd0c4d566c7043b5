// The backend switcher. A script in the page's head has chosen the backend before the first paint; this one keeps
// the choice: across pages and visits, in other tabs, and in a link that named it.
(() => {
  "use strict";
  const KEY = "mithril-backend";
  const root = document.documentElement;
  const radios = [...document.querySelectorAll(".mb-switch input")];

  for (const note of document.querySelectorAll(".mb-missing")) {
    note.hidden = note.dataset.missing !== root.dataset.wanted;
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
  if (new URLSearchParams(location.search).has("backend") && titles.has(root.dataset.wanted)) keep(root.dataset.wanted);

  // Change the view, and leave what the reader looks at where it is, though what stands above it changes height.
  const article = document.querySelector(".bd-article");
  const change = (name) => {
    const bar = document.querySelector(".mb-bar").getBoundingClientRect().bottom;
    const common = [...article.querySelectorAll("h1, h2, h3, h4, p, pre, li, td")].filter((e) => !e.closest("[data-backends]"));
    const seen = common.find((e) => e.checkVisibility() && e.getBoundingClientRect().bottom > bar);
    const place = () => scrollY + (seen?.getBoundingClientRect().top ?? 0);
    const [before, top] = [place(), scrollY];
    root.style.overflowAnchor = "none"; // the browser would do half of it
    show(name);
    scrollTo({ top: top + place() - before, behavior: "instant" });
    requestAnimationFrame(() => root.style.removeProperty("overflow-anchor"));
    // The theme lets the keyboard scroll code that is too wide, but only looks at what is seen when a page opens.
    for (const pre of article.querySelectorAll("pre")) pre.tabIndex = pre.scrollWidth > pre.clientWidth ? 0 : -1;
  };

  for (const radio of radios) {
    radio.addEventListener("change", () => {
      change(radio.value);
      keep(radio.value);
      for (const note of document.querySelectorAll(".mb-missing")) note.hidden = true;
      const url = new URL(location);
      if (url.searchParams.has("backend")) {
        url.searchParams.set("backend", radio.value);
        history.replaceState(null, "", url);
      }
    });
  }
  addEventListener("storage", (event) => {
    if (event.key === KEY && titles.has(event.newValue)) change(event.newValue);
  });
})();
