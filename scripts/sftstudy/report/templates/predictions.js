// The browser of replies. Everything from a model goes through textContent.

const PAGE = 10;
const FILTERS = ["all", "fixed", "broken", "both wrong", "both right", "invalid"];

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).json();
}

function reply(title, right, finish, text) {
  const box = element("div", right ? "reply right" : "reply wrong");
  const head = element("h5", "", `${title}: ${right ? "✓ right" : "✕ wrong"}`);
  if (finish !== "stop") head.append(element("small", "warn", ` finish reason: ${finish}`));
  box.append(head, element("pre", "", text));
  return box;
}

function sampleCard(study, cell, [id, outcome, invalid, finish, text]) {
  const name = study.outcomes[outcome];
  const [prompt, reference] = study.prompts[cell.evalset].rows[id];
  const [baseFinish, baseText] = study.base[cell.student][cell.evalset][id];
  const card = element("article", "sample");
  const head = element("h4", "", name + (invalid ? ", invalid" : ""));
  head.append(element("code", "", id));
  const pair = element("div", "pair");
  pair.append(reply("Baseline", name === "broken" || name === "both right", baseFinish, baseText),
    reply("Tuned", name === "fixed" || name === "both right", finish, text));
  card.append(head, element("pre", "prompt", prompt));
  if (reference) card.append(element("p", "reference", `Reference: ${reference}`));
  card.append(pair);
  return card;
}

function browse(study) {
  const form = $("pick"), list = $("samples");
  const order = ["student", "variant", "evalset"];
  let shown = 0, chosen = [], cell = null;

  function fill(select, values) {
    const before = select.value;
    select.replaceChildren(...values.map((value) => new Option(value, value)));
    if (values.includes(before)) select.value = before;
  }
  function more() {
    list.append(...chosen.slice(shown, shown + PAGE).map((row) => sampleCard(study, cell, row)));
    shown = Math.min(shown + PAGE, chosen.length);
    $("more").hidden = shown >= chosen.length;
  }
  function update() {
    let cells = study.cells;
    for (const name of order) {
      fill(form.elements[name], [...new Set(cells.map((one) => one[name]))]);
      cells = cells.filter((one) => one[name] === form.elements[name].value);
    }
    cell = cells[0];
    const wanted = form.elements.outcome.value;
    chosen = cell.samples.filter(([, outcome, invalid]) => wanted === "all"
      || (wanted === "invalid" ? invalid : study.outcomes[outcome] === wanted));
    const counts = study.outcomes.map((name) => `${cell.counts[name]} ${name}`).join(", ");
    const where = `${$("cell").dataset.root}/predictions/${cell.student}`;
    const files = [["baseline", "base"], ["tuned", cell.variant]].map(([label, variant]) => {
      const link = element("a", "", `${label}.jsonl`);
      link.href = `${where}/${variant}/${cell.evalset}.jsonl`;
      return link;
    });
    $("cell").replaceChildren(`All ${cell.n} replies: ${counts}. In this page: `
      + `${cell.samples.length}, of these shown: ${chosen.length}. All of them: `,
    files[0], ", ", files[1], ".");
    list.replaceChildren();
    const shared = study.prompts[cell.evalset].shared;
    if (shared) {
      const details = element("details");
      details.append(element("summary", "", "What all these prompts begin with"),
        element("pre", "prompt", shared));
      list.append(details);
    }
    shown = 0;
    more();
  }

  for (const name of FILTERS) {
    const label = element("label", "chip"), radio = element("input");
    Object.assign(radio, { type: "radio", name: "outcome", value: name, checked: name === "all" });
    label.append(radio, ` ${name}`);
    $("outcomes").append(label);
  }
  // The jump to a link's place is made in address.js, the choice is made here.
  function show(wanted) {
    for (const name of order) {
      if (wanted[name]) form.elements[name].value = wanted[name];
      update();
    }
    if (wanted.outcome) form.elements.outcome.value = wanted.outcome;
    update();
  }
  onAddress(({ trained, trial, ...rest }) => {
    show(trained && trial ? { ...rest, variant: `${trained}/${trial}` } : rest);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", update);
  $("more").addEventListener("click", more);
  if (study.cells.length) update();
  else $("cell").textContent = "There are no predictions yet.";
}

unpack($("payload").textContent).then(browse);
