// Where one is: the page in the sidebar and the heading in the page's contents, each marked and in view.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const bar = document.querySelector(".mb-bar");

  // Scrolls the box that a row is in, and nothing around it.
  const bringIntoView = (row) => {
    const box = row?.closest(".bd-sidebar-primary, .bd-sidebar-secondary");
    if (!box) return;
    const [outer, inner] = [box.getBoundingClientRect(), row.getBoundingClientRect()];
    if (inner.top < outer.top + 40 || inner.bottom > outer.bottom - 40) box.scrollTop += inner.top - outer.top - outer.height / 3;
  };

  // The sidebar: the theme has put it where the last page left it.
  const page = document.querySelector(".mb-nav [aria-current=page]");
  bringIntoView(page);
  document.querySelector(".primary-toggle")?.addEventListener("click", () => bringIntoView(page));

  // The contents: the last heading in the upper part of what is seen; at the end of the page, the last of all.
  const entries = [...document.querySelectorAll(".mb-toc a[href^='#']")].flatMap((link) => {
    const target = link.hash && document.getElementById(decodeURIComponent(link.hash.slice(1)));
    return target ? [{ link, heading: target.querySelector("h2, h3, h4, h5, h6") ?? target }] : [];
  });
  if (!entries.length) return;
  let asked = null; // what a link led to, until the reader scrolls on
  let marked = null;
  const mark = () => {
    const top = ({ heading }) => heading.getBoundingClientRect().top;
    const line = Math.max(bar.getBoundingClientRect().bottom + 48, innerHeight / 4);
    const atEnd = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    if (asked && (top(asked) < 0 || top(asked) > innerHeight)) asked = null;
    const found = asked ?? (atEnd ? entries.at(-1) : entries.findLast((entry) => top(entry) < line)) ?? null;
    if (found === marked) return;
    marked?.link.removeAttribute("aria-current");
    found?.link.setAttribute("aria-current", "true");
    for (const item of document.querySelectorAll(".mb-toc li")) item.classList.toggle("active", !!found && item.contains(found.link));
    marked = found;
    bringIntoView(found?.link);
  };
  const ask = () => {
    asked = entries.find(({ link }) => link.hash === location.hash) ?? null;
    mark();
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      mark();
    });
  }, { passive: true });
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    addEventListener(kind, () => (asked = null), { passive: true });
  }
  addEventListener("hashchange", ask);
  addEventListener("resize", mark);
  ask();

  // On a small screen the contents lie over the page: a choice puts them away.
  document.querySelector(".secondary-toggle")?.addEventListener("click", () => bringIntoView(marked?.link));
  addEventListener("click", (event) => {
    if (!event.target.closest("a[href^='#']")) return;
    event.target.closest("dialog")?.close();
    setTimeout(ask); // behind the jump, which is none where one is there already
  });
});
