// Choosing, filtering and sorting what is on the page already.
"use strict";
for (const element of document.querySelectorAll(".needs-script")) element.classList.remove("needs-script");

function on(selector, event, act) {
  const element = document.querySelector(selector);
  if (!element) return;
  element.addEventListener(event, () => act(element));
  act(element);
}

on("#reference", "change", (select) => {
  for (const body of document.querySelectorAll(".differences tbody")) {
    body.hidden = body.dataset.reference !== select.value;
  }
});

on("#shown", "change", (legend) => {
  const chosen = new Set([...legend.querySelectorAll("input:checked")].map((input) => input.value));
  for (const line of document.querySelectorAll(".drawing path")) {
    line.style.display = chosen.has(line.dataset.mode) ? "" : "none";
  }
});

on("#strips", "change", (form) => {
  for (const strip of document.querySelectorAll(".strip")) {
    strip.hidden = Boolean(form.mode.value && strip.dataset.mode && strip.dataset.mode !== form.mode.value);
  }
});

const PAGE = 6;
const examples = [...document.querySelectorAll("#examples article")];
const more = document.querySelector("#more");
const inOrder = {
  "": () => 0,
  length: (a, b) => a.dataset.length - b.dataset.length,
  "-length": (a, b) => b.dataset.length - a.dataset.length,
  verdict: (a, b) => a.dataset.verdict.localeCompare(b.dataset.verdict),
};
let most = PAGE;

function show(form) {
  const words = form.words.value.toLowerCase().split(/\s+/);
  const sorted = [...examples].sort(inOrder[form.order.value]);
  const fits = (example) =>
    ["mode", "verdict", "fate", "split"].every((key) => !form[key].value || form[key].value === example.dataset[key]) &&
    words.every((word) => example.dataset.words.includes(word));
  const found = sorted.filter(fits);
  for (const example of examples) example.hidden = true;
  for (const example of found.slice(0, most)) example.hidden = false;
  document.querySelector("#examples").append(...sorted);
  form.querySelector("output").textContent = `${Math.min(most, found.length)} of ${found.length} shown`;
  document.querySelector(".none-left").hidden = found.length > 0;
  more.hidden = found.length <= most;
}

on("#filters", "input", (form) => {
  most = PAGE;
  show(form);
});
more?.addEventListener("click", () => {
  most += PAGE;
  show(document.querySelector("#filters"));
});
document.querySelector("#filters")?.addEventListener("submit", (event) => event.preventDefault());
