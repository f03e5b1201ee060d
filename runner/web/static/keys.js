// Keys, colours, and what is selected. Whatever a key does, a button or a link does, too.
"use strict";

// ---------------------------------------------------------------- colours

const THEMES = ["light", "dark", "system"];
const setTheme = (theme) => {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
  const kept = theme === "system" ? "max-age=0" : "max-age=31536000";
  document.cookie = `pipeline_theme=${theme}; path=/; SameSite=Strict; ${kept}`;
  for (const one of document.querySelectorAll("[data-theme-to]")) one.setAttribute("aria-pressed", String(one.dataset.themeTo === theme));
};
const nextTheme = () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length]);
for (const one of document.querySelectorAll("[data-theme-to]")) one.addEventListener("click", () => setTheme(one.dataset.themeTo));
document.getElementById("themes")?.removeAttribute("hidden");

// ---------------------------------------------------------------- help

const help = document.getElementById("keys");
const letters = document.getElementById("letters");
const LETTERS = "pipeline-letters";
if (letters) {
  letters.checked = localStorage.getItem(LETTERS) !== "off";
  letters.addEventListener("change", () => localStorage.setItem(LETTERS, letters.checked ? "on" : "off"));
}
document.getElementById("help")?.addEventListener("click", () => help.showModal());

// ---------------------------------------------------------------- selection

const boxes = () => [...document.querySelectorAll("input[type=checkbox][name=id]")];
const count = () => {
  const chosen = boxes().filter((box) => box.checked).length;
  for (const label of document.querySelectorAll("[data-count]")) label.textContent = chosen ? `${chosen} selected` : "Select all";
};
const ready = () => {
  for (const all of document.querySelectorAll("[data-all]")) all.hidden = false;
  count();
};
document.addEventListener("patched", ready);

let last = null;
document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
  if (box.matches("[data-all]")) for (const one of boxes()) one.checked = box.checked;
  else if (event.shiftKey && last && document.contains(last)) {
    const row = boxes();
    const [from, to] = [row.indexOf(last), row.indexOf(box)].sort((a, b) => a - b);
    for (const one of row.slice(from, to + 1)) one.checked = box.checked;
  }
  last = box;
  count();
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// ---------------------------------------------------------------- keys

let going = 0;
const move = (by) => {
  const rows = [...document.querySelectorAll("main tbody tr")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  rows[at]?.classList.remove("at");
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
};
const DOES = {
  "/": () => document.getElementById("find")?.focus(),
  "?": () => help?.showModal(),
  t: nextTheme,
  j: () => move(1),
  k: () => move(-1),
  x: (at) => at?.querySelector("input[type=checkbox]")?.click(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  if (document.querySelector("dialog[open]")) return;
  if (letters && !letters.checked && event.key.length === 1) return;
  const at = document.querySelector("tr.at");
  const page = Date.now() - going < 1000 && document.querySelector(`nav [data-go="${CSS.escape(event.key)}"]`);
  if (page) location.href = page.href;
  else if (event.key === "g") { going = Date.now(); return; }
  else if (DOES[event.key]) DOES[event.key](at);
  else if (event.key === "Enter" && at && document.activeElement === document.body) at.querySelector("a")?.click();
  else return;
  going = 0;
  event.preventDefault();
});

ready();
