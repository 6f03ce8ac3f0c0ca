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
// "narrow" tells the browser of replies, which follows the address by itself.
function narrow(asked) {
  const form = $("filter");
  const known = (name) => [...form.elements[name].options].some(({ value }) => value === asked[name]);
  // Another study's names narrow nothing here.
  const [only, task] = ["only", "task"].map((name) => (known(name) ? asked[name] : ""));
  const strange = ["only", "task"].filter((name) => asked[name] && !known(name));
  form.querySelector("output").value = strange.length
    ? `not in this study: ${strange.map((name) => asked[name]).join(", ")}` : "";
  const wanted = { student: only, task };
  for (const one of document.querySelectorAll("main [data-student], main [data-task]")) {
    one.hidden = ["student", "task"].some((name) => wanted[name] && one.dataset[name]
      && one.dataset[name] !== wanted[name]);
  }
  form.elements.only.value = only;
  form.elements.task.value = task;
}

$("filter").addEventListener("submit", (event) => event.preventDefault());
$("filter").addEventListener("input", () => {
  const [only, task] = ["only", "task"].map((name) => $("filter").elements[name].value);
  // The replies follow: an address that asks for others would undo the filter.
  const replies = { ...(only && { student: only }), ...(task && { trained: task, evalset: "" }) };
  writeAddress(readAddress().place, { only, task, ...replies });
  narrow({ only, task });
  document.dispatchEvent(new Event("narrow"));
});
onAddress(narrow);
$("filter").hidden = false;

$("unfold").addEventListener("click", () => {
  const folded = document.querySelectorAll("main details:not([open])");
  for (const one of folded) one.open = true;
  if (folded.length) $("unfold").textContent = "Fold all";
  else {
    for (const one of document.querySelectorAll("main details")) one.open = false;
    $("unfold").textContent = "Unfold all";
  }
});

// -- keyboard -----------------------------------------------------------------------------------

// The next link of the same column, down (1) or up (-1), or else simply the next one.
function below(all, here, step) {
  const cell = (one) => one.closest("td, th");
  const row = (one) => one.closest("tr").rowIndex;
  const start = all[here];
  for (let at = here + step; all[at]; at += step) {
    if (row(all[at]) !== row(start) && cell(all[at]).cellIndex === cell(start).cellIndex) return at;
  }
  return here + step;
}

// A table of many links is one stop of the tab key; the arrows go from link to link within it.
for (const table of document.querySelectorAll("table[data-roving]")) {
  const stops = () => [...table.querySelectorAll("a, button")].filter((one) => one.offsetParent);
  const rest = (chosen) => {
    for (const one of stops()) one.tabIndex = one === chosen ? 0 : -1;
  };
  table.querySelectorAll("a, button").forEach((one, place) => { one.tabIndex = place ? -1 : 0; });
  table.addEventListener("focusin", (event) => rest(event.target));
  table.addEventListener("keydown", (event) => {
    const all = stops(), here = all.indexOf(event.target);
    const next = {
      ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1,
      ArrowDown: below(all, here, 1), ArrowUp: below(all, here, -1),
    }[event.key];
    if (here < 0 || !all[next]) return;
    event.preventDefault();
    all[next].focus();
  });
}

// What is wider than its place can be scrolled by keyboard, and says so.
function markOverflows() {
  for (const box of document.querySelectorAll(".scroll, .plot, main pre")) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    box.classList.toggle("overflows", wide);
    if (wide) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      const named = box.querySelector("caption, title");
      box.setAttribute("aria-label", named ? named.textContent.trim() : "long text");
    } else for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
  }
}

new ResizeObserver(markOverflows).observe(document.querySelector("main"));
document.addEventListener("toggle", markOverflows, true);
