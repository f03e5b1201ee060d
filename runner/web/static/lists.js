// Lists: what is selected, what is unfolded, and what is new.
"use strict";

// ---------------------------------------------------------------- selection

const boxes = () => [...document.querySelectorAll("input[type=checkbox][name=id]")];
const selection = document.getElementById("selection");
const inGroup = (box) => [...box.closest("tbody").querySelectorAll("input[type=checkbox][name=id]")];

const count = () => {
  const chosen = boxes().filter((box) => box.checked);
  for (const box of boxes()) box.closest("tr").classList.toggle("chosen", box.checked);
  for (const group of document.querySelectorAll("[data-group]")) {
    const mine = inGroup(group);
    const some = mine.filter((box) => box.checked).length;
    group.checked = some > 0 && some === mine.length;
    group.indeterminate = some > 0 && some < mine.length;
  }
  for (const label of document.querySelectorAll("[data-count]")) label.textContent = `${chosen.length} selected`;
  if (selection) {
    selection.classList.add("floats");
    selection.hidden = !chosen.length;
    document.getElementById("clear").hidden = false;
  }
};
const clear = () => { for (const box of boxes()) box.checked = false; count(); };
document.getElementById("clear")?.addEventListener("click", clear);

let last = null;
document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
  if (box.matches("[data-all]")) for (const one of boxes()) one.checked = box.checked;
  else if (box.matches("[data-group]")) for (const one of inGroup(box)) one.checked = box.checked;
  else if (event.shiftKey && last && document.contains(last)) {
    const row = boxes();
    const [from, to] = [row.indexOf(last), row.indexOf(box)].sort((a, b) => a - b);
    for (const one of row.slice(from, to + 1)) one.checked = box.checked;
  }
  last = box;
  count();
});

document.addEventListener("click", (event) => {
  const square = event.target.closest?.("[data-href]");
  if (square) location.href = square.dataset.href;
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// ---------------------------------------------------------------- groups

const fold = (body, open) => {
  const button = body.querySelector("[data-unfold]");
  button?.setAttribute("aria-expanded", String(open));
  body.classList.toggle("folded", !open);
};
const folded = new Map();
const foldAll = () => {
  for (const body of document.querySelectorAll("tbody.group")) {
    const key = body.dataset.key;
    if (!folded.has(key)) folded.set(key, body.querySelector("[data-unfold]").getAttribute("aria-expanded") !== "true");
    fold(body, !folded.get(key));
  }
};
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-unfold]");
  if (!button) return;
  const body = button.closest("tbody");
  folded.set(body.dataset.key, !body.classList.contains("folded"));
  foldAll();
});

// ---------------------------------------------------------------- what is new

const pill = document.getElementById("arrived");
const tellArrived = () => {
  if (!pill) return;
  const many = [...document.querySelectorAll("[data-rows=list]")].reduce((sum, rows) => sum + Number(rows.dataset.arrived || 0), 0);
  pill.hidden = !many;
  pill.querySelector("span").textContent = `${many} new above`;
};
const takeIn = async () => {
  takingIn = true;
  await refresh();
  takingIn = false;
};
pill?.addEventListener("click", takeIn);

const ready = () => {
  for (const all of document.querySelectorAll("[data-all]")) all.hidden = false;
  count();
  foldAll();
  tellArrived();
};
document.addEventListener("patched", ready);
ready();
