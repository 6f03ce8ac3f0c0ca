// What is shown stands in the address, so that a link shows the same to whoever opens it:
// #predictions?student=A&trained=banking77&outcome=broken. Before the ? is the id of a place.
"use strict";

const $ = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function readAddress() {
  const [place, query = ""] = location.hash.slice(1).split("?");
  return { place, values: Object.fromEntries(new URLSearchParams(query)) };
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

// The browser finds a place only without a query, and opens nothing that is folded away.
function goToPlace() {
  const place = $(decodeURIComponent(readAddress().place));
  if (!place) return;
  for (let box = place; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  const inside = place.querySelector(":scope > details");
  if (inside) inside.open = true;
  place.scrollIntoView();
}

addEventListener("hashchange", goToPlace);
addEventListener("load", goToPlace);
