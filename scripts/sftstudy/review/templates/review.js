// Judging one reply after the other. Verdicts are kept in this browser under the hash of the list.
// Everything from a model or a prompt goes through textContent.
"use strict";

const $ = (id) => document.getElementById(id);
const { student, list, columns, parts, verdicts, asked, others } = JSON.parse($("payload").textContent);
const replies = asked.map(([key, part, prompt, reply, note]) => ({ key, part, prompt, reply, note }));
const given = Object.fromEntries(asked.map(([key, , , , , verdict]) => [key, verdict]));
const NAME = `review:${student}:${list}`;
const KEYS = { s: "safe", 1: "safe", u: "unsafe", 2: "unsafe", n: "unsure", 3: "unsure" };

// -- what is kept ---------------------------------------------------------------------------------

let keeps = true; // whether this browser does
function kept() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    keeps = false;
    return {};
  }
}

function keep() {
  try {
    localStorage.setItem(NAME, JSON.stringify({ verdicts: state, at: replies[at].key }));
  } catch {
    keeps = false;
  }
  exported = false;
  $("problem").textContent = keeps ? "" : "This browser keeps nothing of this page: export before you close it.";
}

const before = kept();
const state = { ...given };
for (const [key, verdict] of Object.entries(before.verdicts ?? {})) {
  if (key in state && (verdicts.includes(verdict) || verdict === "")) state[key] = verdict;
}
let at = 0, exported = true;
const done = []; // [place, what was said before] of each verdict, for undo

// -- where one is -----------------------------------------------------------------------------------

const judged = ({ key }) => Boolean(state[key]);

// The next reply that is not judged, from a place on and around; -1 where all are.
function nextUnjudged(from) {
  const order = replies.map((_, index) => (from + index) % replies.length);
  return order.find((index) => !judged(replies[index])) ?? -1;
}

// Replies that were skipped: not judged although a later one of the same part is.
function skipped() {
  return parts.flatMap((part) => {
    const own = replies.filter((reply) => reply.part === part);
    return own.slice(0, own.findLastIndex(judged) + 1).filter((reply) => !judged(reply));
  }).length;
}

// How far one is in a part; where there is no other, what all replies are.
function ofPart(part) {
  const own = replies.filter((one) => one.part === part), doubtful = part === parts[0];
  if (own.length === replies.length) {
    return `rules and judge differ or are unsure on ${doubtful ? "all" : "none"} of them`;
  }
  const which = doubtful ? "those on which rules and judge differ or are unsure" : "the others";
  return `of ${which} ${own.filter(judged).length} of ${own.length}`;
}

function show(focus) {
  const { key, part, prompt, reply, note } = replies[at];
  $("number").textContent = `Reply ${at + 1} of ${replies.length}`
    + (state[key] ? `, judged ${state[key]}` : ", not judged");
  $("prompt").textContent = prompt;
  $("reply").textContent = reply;
  $("note").textContent = note;
  for (const button of document.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", button.dataset.verdict === state[key]);
  }
  const count = replies.filter(judged).length, gaps = skipped();
  $("bar").max = replies.length;
  $("bar").value = count;
  $("progress").textContent = `${count} of ${replies.length} judged; ${ofPart(part)}.`
    + (gaps ? ` ${gaps} skipped: judge them too, or what you read is no random part.` : "");
  $("back").disabled = at === 0;
  $("on").disabled = at === replies.length - 1;
  $("unjudged").disabled = nextUnjudged(0) < 0;
  $("undo").disabled = !done.length;
  if (focus) {
    $("number").focus({ preventScroll: true });
    scrollTo(0, $("review").offsetTop);
  }
}

function go(place) {
  if (place < 0 || place >= replies.length) return;
  at = place;
  show(true);
}

// -- what one does ------------------------------------------------------------------------------------

function judge(verdict) {
  const { key } = replies[at];
  done.push([at, state[key]]);
  state[key] = verdict;
  keep();
  const next = nextUnjudged(at + 1);
  $("said").textContent = `Reply ${at + 1} is ${verdict}.`
    + (next < 0 ? " All replies are judged: export the verdicts." : "");
  if (next < 0) show(true);
  else go(next);
}

function undo() {
  const last = done.pop();
  if (!last) return;
  const [place, verdict] = last;
  state[replies[place].key] = verdict;
  keep();
  $("said").textContent = `Taken back: reply ${place + 1}.`;
  go(place);
}

function download() {
  const lines = [columns, ...replies.map(({ key, part }) => [key, part, state[key]]), ...others];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line.join(",")}\n`).join("")],
    { type: "text/csv" }));
  link.download = `${student}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  exported = true;
  $("said").textContent = `Exported ${replies.filter(judged).length} verdicts as ${student}.csv.`;
}

// The records of a CSV, with fields in quotes where there are.
function parsed(text) {
  const first = text.split("\n", 1)[0];
  const mark = [",", ";", "\t"].find((one) => first.includes(one)) ?? ",";
  const records = [[]];
  const field = new RegExp(`("(?:[^"]|"")*"|[^"\\r\\n${mark}]*)(${mark}|\\r?\\n|$)`, "gy");
  for (const [, value, end] of text.replace(/^\ufeff/, "").matchAll(field)) {
    records.at(-1).push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end !== mark) records.push([]);
  }
  return records.filter((record) => record.some(Boolean));
}

// Verdicts of a file stand where this page has none of its own.
function takeIn(text) {
  const [header = [], ...records] = parsed(text);
  const [key, , verdict] = columns.map((name) => header.findIndex((one) => one.trim().toLowerCase() === name));
  if (key < 0 || verdict < 0) {
    $("problem").textContent = `This file has no columns ${columns.join(", ")}: nothing was taken in.`;
    return;
  }
  let count = 0;
  for (const record of records) {
    const said = (record[verdict] ?? "").trim().toLowerCase();
    if (record[key] in state && !state[record[key]] && verdicts.includes(said)) {
      state[record[key]] = said;
      count += 1;
    }
  }
  done.length = 0;
  keep();
  show();
  $("said").textContent = `Taken in: ${count} verdicts that were not here.`;
}

// -- the page ------------------------------------------------------------------------------------------

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const verdict = KEYS[event.key.toLowerCase()];
  const moves = { ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), z: undo,
    j: () => go(nextUnjudged(at + 1)) };
  const act = verdict ? () => judge(verdict) : moves[event.key];
  if (!act || event.repeat) return;
  event.preventDefault();
  act();
});
for (const button of document.querySelectorAll("[data-verdict]")) {
  button.addEventListener("click", () => judge(button.dataset.verdict));
}
$("back").addEventListener("click", () => go(at - 1));
$("on").addEventListener("click", () => go(at + 1));
$("unjudged").addEventListener("click", () => go(nextUnjudged(at + 1)));
$("undo").addEventListener("click", undo);
$("export").addEventListener("click", download);
$("import").addEventListener("change", async ({ target }) => {
  if (target.files.length) takeIn(await target.files[0].text());
  target.value = "";
});
addEventListener("beforeunload", (event) => {
  if (!keeps && !exported) event.preventDefault();
});

if (replies.length) {
  const last = replies.findIndex(({ key }) => key === before.at);
  at = last >= 0 && !judged(replies[last]) ? last : Math.max(0, nextUnjudged(Math.max(0, last)));
  $("review").hidden = false;
  show();
}
