"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.key ?? cell.textContent.trim();
      };
      const number = (text) => text !== "" && !Number.isNaN(Number(text));
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        // A dash or a word among numbers comes last in both directions.
        if (number(x) !== number(y)) return number(x) ? -1 : 1;
        const order = number(x) ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
for (const gallery of document.querySelectorAll(".gallery")) {
  const order = gallery.querySelector(".order");
  const list = gallery.querySelector(".atoms");
  if (order) {
    order.addEventListener("change", () => {
      const value = (item) => JSON.parse(item.dataset.keys)[order.value];
      list.append(...[...list.children].sort((a, b) => value(b) - value(a)));
    });
    const hint = gallery.querySelector(".hint");
    const tell = (event) => {
      const image = event.target.closest("li")?.querySelector("img");
      if (image) hint.textContent = image.alt;
    };
    list.addEventListener("mouseover", tell);
    list.addEventListener("focusin", tell);
    list.addEventListener("keydown", (event) => {
      const items = [...list.children];
      const at = items.indexOf(document.activeElement);
      const moves = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
      const next = items[moves[event.key]];
      if (at < 0 || !next) return;
      event.preventDefault();
      items[at].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }
}
