// The matrix can be filtered by words and sorted by any column. Without this script it is a plain table.
(() => {
  "use strict";
  for (const frame of document.querySelectorAll(".mb-matrix")) {
    const body = frame.querySelector("tbody");
    const rows = [...body.rows];
    const text = (row, column) => row.cells[column].textContent.trim();

    const box = document.createElement("div");
    box.className = "mb-filter";
    box.innerHTML = '<label>Only rows with <input type="search"></label><span role="status"></span>';
    const [field, status] = [box.querySelector("input"), box.querySelector("span")];
    const filter = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} models`;
    };
    field.addEventListener("input", filter);
    frame.before(box);
    filter();

    const heads = [...frame.querySelectorAll("thead th")];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim();
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sorted = [...rows].sort((a, b) => text(a, column).localeCompare(text(b, column)) * (down ? -1 : 1));
        body.append(...sorted);
      });
    });
  }
})();
