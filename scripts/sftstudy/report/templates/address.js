// What is shown stands in the address, so that a link shows the same to whoever opens it:
// #predictions?student=A&trained=T&outcome=broken. Before the ? is the id of a place.
"use strict";

const $ = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// The page's filter gives way to replies that it would hide.
function reconciled(pairs) {
  const values = Object.fromEntries(pairs);
  for (const [filter, asked] of [["only", "student"], ["task", "trained"]]) {
    if (values[filter] && values[asked] && values[filter] !== values[asked]) delete values[filter];
  }
  return values;
}

function readAddress() {
  const [place, ...rest] = location.hash.slice(1).split("?");
  const query = rest.join("?"); // a text that is searched may hold one
  return { place, values: reconciled(new URLSearchParams(query)) };
}

// Anybody can write an address: what is no encoding stands for itself.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Change some values, "" removes one; what the page shows is the caller's business.
function writeAddress(place, changes) {
  const values = { ...readAddress().values, ...changes };
  const kept = Object.entries(values).filter(([, value]) => value !== "");
  const query = new URLSearchParams(kept).toString();
  history.replaceState(null, "", `#${place}${query && "?"}${query}`);
}

// Call `apply` with the values of the address, now and whenever a link changes it.
function onAddress(apply) {
  apply(readAddress().values);
  addEventListener("hashchange", () => apply(readAddress().values));
}

// A link within the page keeps the page's filter (only, task); one without a query changes nothing
// of what is shown. With a key held down it is the browser's: another window has its own address.
const PAGE_WIDE = ["only", "task"];
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#']");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const [place, query] = link.getAttribute("href").slice(1).split("?");
  const kept = Object.entries(readAddress().values)
    .filter(([name]) => query === undefined || PAGE_WIDE.includes(name));
  const asked = reconciled([...kept, ...new URLSearchParams(query)]);
  const values = new URLSearchParams(asked).toString();
  event.preventDefault();
  const hash = `#${place}${values && "?"}${values}`;
  if (hash === location.hash) dispatchEvent(new Event("hashchange"));
  else location.hash = hash;
});

// The browser finds a place only without a query, and opens nothing that is folded away.
function goToPlace() {
  const { place: name } = readAddress();
  const place = $(name) ?? $(decoded(name));
  if (!place) return;
  for (let box = place; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  const inside = place.querySelector(":scope > details");
  if (inside) inside.open = true;
  place.scrollIntoView();
}

addEventListener("hashchange", goToPlace);
addEventListener("load", goToPlace);
