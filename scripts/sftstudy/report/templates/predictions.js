// The browser of replies. What it shows is what the address and the page's filter say. Everything
// from a model, a prompt or an address goes through textContent.

const LONGEST_SEARCH = 1000; // characters; a pattern of some tens of thousands is refused
const PAGE = 5;
const KEYS = ["student", "trained", "trial", "evalset"]; // of a cell, each narrowed by those before
const IS_CHOSEN = { // by outcome to choose, of a reply
  all: () => true,
  wrong: ({ outcome }) => !isRight(outcome),
  right: ({ outcome }) => isRight(outcome),
  invalid: ({ invalid }) => invalid,
};

const isRight = (outcome) => outcome === "fixed" || outcome === "both right";
const wasRight = (outcome) => outcome === "broken" || outcome === "both right";
const named = (values) => values.map(([name, value]) => `${name} “${value}”`).join(", ");

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).json();
}

// One reply beside the baseline's. A text stands in a list where the page has cut it.
function paired(study, cell, [id, outcome, invalid, finish, tuned]) {
  const { shared, rows } = study.prompts[cell.evalset];
  // Of several replies to a prompt each has the row's id and its number for a name.
  const number = cell.replies > 1 ? Number(id.slice(id.lastIndexOf("#") + 1)) + 1 : 1;
  const [prompt, reference] = rows[cell.replies > 1 ? id.slice(0, id.lastIndexOf("#")) : id];
  const [baseFinish, baseline] = study.base[cell.student][cell.evalset][id];
  const plain = (text) => (Array.isArray(text) ? text[0] : text);
  const texts = { prompt, reference, baseline, tuned };
  const cut = Object.keys(texts).filter((name) => Array.isArray(texts[name]));
  if (Array.isArray(shared) && !cut.includes("prompt")) cut.unshift("prompt");
  return {
    id, outcome: study.outcomes[outcome], invalid: Boolean(invalid), finish, baseFinish, cut,
    which: cell.replies > 1 ? `reply ${number} of ${cell.replies} to this prompt` : "",
    shared: plain(shared), prompt: plain(prompt), reference: plain(reference),
    baseline: plain(baseline), tuned: plain(tuned),
  };
}

// -- search -------------------------------------------------------------------------------------

// A pattern for `text` in any case, or null where nothing is searched.
function pattern(text) {
  return text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "giu") : null;
}

const contains = (text, searched) => Boolean(searched) && text.search(searched) >= 0;

// The nodes of a text, what is searched in <mark>.
function marked(text, searched) {
  if (!searched) return [text];
  const nodes = [];
  let end = 0;
  for (const { 0: hit, index } of text.matchAll(searched)) {
    nodes.push(text.slice(end, index), element("mark", "", hit));
    end = index + hit.length;
  }
  return [...nodes, text.slice(end)];
}

// -- one reply ----------------------------------------------------------------------------------

// The beginning and the end of a long text: the question of a prompt, the answer of a reply often
// stand at the end. Null where the text is short. No half of a surrogate pair is left.
function excerpt(text, head, tail) {
  if (text.length <= head + tail + 80 && text.split("\n").length <= 9) return null;
  const start = text.slice(0, head).split("\n").slice(0, 4).join("\n");
  const end = text.slice(-tail).split("\n").slice(-4).join("\n");
  return [start.replace(/[\ud800-\udbff]$/, ""), end.replace(/^[\udc00-\udfff]/, "")];
}

// A text that is folded to its excerpt, with a button for the whole; whole where the search hits.
function folded(text, what, [head, tail], searched) {
  const pre = element("pre"), short = contains(text, searched) ? null : excerpt(text, head, tail);
  if (!short) {
    pre.append(...marked(text, searched));
    return [pre];
  }
  const button = element("button", "fold");
  button.type = "button";
  const write = (whole) => {
    pre.replaceChildren(...(whole ? [text] : [short[0], element("span", "gap", " ⋯ "), short[1]]));
    button.textContent = whole ? `Fold the ${what}` : `Whole ${what}, ${text.length} characters`;
    button.setAttribute("aria-expanded", whole);
  };
  button.addEventListener("click", () => write(button.getAttribute("aria-expanded") === "false"));
  write(false);
  return [pre, button];
}

function replyBox(row, { title, key, right, finish }, searched) {
  const box = element("div", right ? "reply right" : "reply wrong");
  const same = key === "tuned" && row.tuned === row.baseline ? ", the same text" : "";
  const head = element("h4", "", `${title}: ${right ? "✓ right" : "✕ wrong"}${same}`);
  if (finish !== "stop") head.append(element("small", "warn", `finish reason: ${finish}`));
  if (row.cut.includes(key)) head.append(element("small", "", "cut in this page"));
  box.append(head, ...folded(row[key], `${title.toLowerCase()} reply`, [220, 140], searched));
  return box;
}

function replyCard(row, address, isLinked, searched) {
  const card = element("article", isLinked ? "sample linked" : "sample");
  const head = element("h3", "", row.outcome + (row.invalid ? ", invalid" : ""));
  const name = element("code"), link = element("a", "", "link");
  name.append(...marked(row.id, searched));
  link.href = address;
  link.setAttribute("aria-label", `link to reply ${row.id}`);
  head.append(name);
  if (row.which) head.append(element("small", "", row.which));
  head.append(link);
  if (isLinked) head.append(element("span", "badge maybe", "the reply of this link"));
  const prompt = element("div", "prompt"), pair = element("div", "pair");
  prompt.append(...folded(row.prompt, "prompt", [100, 300], searched));
  card.append(head, prompt);
  if (row.reference) {
    const reference = element("p", "reference", "Reference: ");
    reference.append(...marked(row.reference, searched));
    card.append(reference);
  }
  pair.append(
    replyBox(row, { title: "Baseline", key: "baseline", right: wasRight(row.outcome),
      finish: row.baseFinish }, searched),
    replyBox(row, { title: "Tuned", key: "tuned", right: isRight(row.outcome),
      finish: row.finish }, searched),
  );
  card.append(pair);
  return card;
}

// -- all of them --------------------------------------------------------------------------------

function browse(study) {
  const form = $("pick"), list = $("samples"), root = $("browser").dataset.root;
  // `state` names the cell and what is chosen of it; `rows` are those replies, `shown` of them
  // are on the page.
  let state = {}, cell = null, rows = [], shown = 0, searched = null;

  function fill(select, values, value, label) {
    select.replaceChildren(...values.map((one) => {
      const option = new Option(label(one), one);
      option.title = one;
      return option;
    }));
    select.value = value;
  }

  // Choose what is wanted where there is such; return what there is not. What the page's filter
  // leaves out it leaves out without a word: the filter says so itself.
  function choose(wanted) {
    const filter = $("filter").elements;
    const narrowed = { student: filter.only.value, trained: filter.task.value };
    const unknown = [];
    let cells = study.cells.filter((one) => Object.entries(narrowed)
      .every(([key, value]) => !value || one[key] === value));
    state = {};
    for (const key of KEYS) {
      const values = [...new Set(cells.map((one) => one[key]))];
      state[key] = values.includes(wanted[key]) ? wanted[key] : values[0] ?? "";
      if (wanted[key] && wanted[key] !== state[key] && !narrowed[key]) {
        unknown.push([form.elements[key].labels[0].firstChild.textContent.trim(), wanted[key]]);
      }
      fill(form.elements[key], values, state[key],
        (one) => (key === "trial" ? study.trials[state.student][one] : one));
      cells = cells.filter((one) => one[key] === state[key]);
    }
    [cell = null] = cells;
    state.outcome = study.choices.includes(wanted.outcome) ? wanted.outcome : "all";
    if (wanted.outcome && wanted.outcome !== state.outcome) {
      unknown.push(["Show", wanted.outcome]);
    }
    state.search = (wanted.search ?? "").trim().slice(0, LONGEST_SEARCH);
    return unknown;
  }

  function pick(wanted) {
    const unknown = choose(wanted);
    searched = pattern(state.search);
    const all = (cell?.samples ?? []).map((sample) => paired(study, cell, sample));
    const isChosen = IS_CHOSEN[state.outcome] ?? (({ outcome }) => outcome === state.outcome);
    const inPage = all.filter(isChosen);
    rows = inPage.filter((row) => !searched
      || ["id", "prompt", "reference", "baseline", "tuned"]
        .some((key) => contains(row[key], searched)));
    const linked = rows.find((row) => row.id === wanted.row);
    state.row = linked ? wanted.row : "";
    if (linked) rows = [linked, ...rows.filter((row) => row !== linked)];
    else if (wanted.row) unknown.push(["Row", wanted.row]);
    $("not-found").textContent = unknown.length
      ? `Not found here: ${named(unknown)}. The address may be of another study, or of replies `
        + "that only the files have; the rest of it is followed." : "";
    $("count").textContent = cell ? counted(inPage.length) : "Of these there are no replies.";
    sayOutcomes();
    sayCell();
    $("download").textContent = `Download these ${rows.length} (JSONL)`;
    $("download").disabled = !rows.length;
    draw();
  }

  function counted(inPage) {
    const { outcome, search } = state, number = cell.counts[outcome], all = cell.counts.all;
    const whole = outcome === "all" ? `All ${all} replies` : `${number} of ${all} replies: ${outcome}`;
    const here = `${whole}. In this page: ${inPage}${inPage && inPage === number ? ", all of them" : ""}.`;
    return search ? `${here} ${rows.length} of ${inPage} in this page contain “${search}”; `
      + "what only the files have is not searched." : here;
  }

  function sayOutcomes() {
    for (const radio of form.elements.outcome) {
      const number = cell?.counts[radio.value] ?? 0;
      radio.checked = radio.value === state.outcome;
      radio.disabled = !number;
      radio.nextElementSibling.textContent = number;
    }
    if (form.elements.search.value.trim() !== state.search) form.elements.search.value = state.search;
  }

  // By what a reply counts as right, and where all of them are.
  function sayCell() {
    $("cell").replaceChildren();
    if (!cell) return;
    const { student, trained, trial, evalset, metric, rule, fails } = cell;
    const [name, split = "test"] = evalset.split(".");
    const whose = rule
      ? `the metric of the gate on ${name} (${rule}${fails ? "; this checkpoint fails it" : ""})`
      : `the primary metric of ${name}`;
    const files = [
      ["baseline.jsonl", `predictions/${student}/base/${evalset}.jsonl`],
      ["tuned.jsonl", `predictions/${student}/${trained}/${trial}/${evalset}.jsonl`],
      ["prompts and references", `data/${name}/${split}.jsonl`],
    ].map(([text, path]) => {
      const link = element("a", "", text);
      link.href = `${root}/${path}`;
      return link;
    });
    $("cell").append("A reply counts as right by ", element("code", "", metric), `, ${whose}. `,
      "All replies: ", files[0], ", ", files[1], ", ", files[2], ".");
  }

  function draw() {
    const shared = cell && study.prompts[cell.evalset].shared;
    list.replaceChildren();
    if (shared?.length) {
      const details = element("details"), text = Array.isArray(shared) ? shared[0] : shared;
      const also = contains(text, searched) ? ` (contains “${state.search}” too)` : "";
      const pre = element("pre");
      pre.append(...marked(text, searched));
      details.append(element("summary", "", `What all these prompts begin with${also}`), pre);
      list.append(details);
    }
    shown = 0;
    more();
  }

  function more() {
    const next = rows.slice(shown, shown + PAGE);
    const cards = next.map((row) => {
      const { student, trained, trial, evalset } = cell;
      const query = new URLSearchParams({ student, trained, trial, evalset, row: row.id });
      return replyCard(row, `#predictions?${query}`, row.id === state.row, searched);
    });
    list.append(...cards);
    shown += next.length;
    $("more").textContent = `Show more (${rows.length - shown} left)`;
    $("more").hidden = shown >= rows.length;
    return cards[0];
  }

  // Whoever reads on with the keyboard starts at what is new.
  function focus(target) {
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
  }

  function download() {
    const lines = rows.map(({ id, outcome, invalid, shared, prompt, reference, baseline, tuned, cut }) =>
      `${JSON.stringify({ id, outcome, invalid, prompt: shared + prompt, reference, baseline, tuned, cut })}\n`);
    const link = element("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    link.download = `${[...KEYS.map((key) => state[key]), state.outcome.replace(" ", "-")].join("_")}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  for (const name of study.choices) {
    const label = element("label", "chip"), radio = element("input");
    Object.assign(radio, { type: "radio", name: "outcome", value: name });
    label.append(radio, ` ${name} `, element("b"));
    $("outcomes").append(label);
  }

  // What people choose is written into the address; a linked reply ends with the first choice.
  function follow() {
    pick({ ...state, ...Object.fromEntries(new FormData(form)), row: "" });
    const { outcome, ...others } = state;
    writeAddress("predictions", { ...others, outcome: outcome === "all" ? "" : outcome });
  }
  let waiting = null; // until nobody has typed for a moment
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    clearTimeout(waiting);
    if (target.name === "search") waiting = setTimeout(follow, 250);
    else follow();
  });
  $("more").addEventListener("click", () => focus(more()));
  $("download").addEventListener("click", download);
  $("browser").hidden = false;
  document.addEventListener("narrow", () => pick(readAddress().values));
  onAddress((values) => {
    pick(values);
    if (readAddress().place !== "predictions") return;
    const linked = list.querySelector(".linked");
    focus(linked ?? $("count"));
    linked?.scrollIntoView();
  });
}

// After the page's own jump to its place, which would undo the one to a reply.
const loaded = new Promise((done) => {
  if (document.readyState === "complete") done();
  else addEventListener("load", done);
});
Promise.all([unpack($("payload").textContent), loaded]).then(([study]) => {
  if (study.cells.length) browse(study);
  else $("payload").before(element("p", "muted", "There are no predictions yet."));
});
