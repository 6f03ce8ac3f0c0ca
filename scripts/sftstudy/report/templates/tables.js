// Sorting, and one filter for the whole page.

function sortKey(row, column) {
  const field = row.cells[column];
  const value = field.dataset.value ?? field.textContent.trim();
  const number = value === "" ? NaN : Number(value);
  return Number.isNaN(number) ? value : number;
}

function sortTable(table, column, descending) {
  const absent = (key) => key === "" || key === "missing";
  const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row, column), row]);
  rows.sort(([a], [b]) => {
    if (absent(a) || absent(b)) return absent(a) - absent(b); // missing ones last, either way
    const order = typeof a === "number" && typeof b === "number"
      ? a - b : String(a).localeCompare(String(b));
    return descending ? -order : order;
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = element("button", "sort");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : head.dataset.order === "down";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      table.classList.add("sorted");
      sortTable(table, column, descending);
    });
  }
}

// -- one filter for all sections ----------------------------------------------------------------

// What names a student or a task (data-student, data-task) is there only if it is the one wanted.
// "narrow" tells the browser of replies.
function narrow({ only = "", task = "" }) {
  const wanted = { student: only, task };
  for (const one of document.querySelectorAll("main [data-student], main [data-task]")) {
    one.hidden = ["student", "task"].some((name) => wanted[name] && one.dataset[name]
      && one.dataset[name] !== wanted[name]);
  }
  const form = $("filter");
  form.elements.only.value = only;
  form.elements.task.value = task;
  document.dispatchEvent(new Event("narrow"));
}

$("filter").addEventListener("submit", (event) => event.preventDefault());
$("filter").addEventListener("input", () => {
  const [only, task] = ["only", "task"].map((name) => $("filter").elements[name].value);
  writeAddress(readAddress().place, { only, task });
  narrow({ only, task });
});
onAddress(narrow);
