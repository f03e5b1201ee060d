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

// ---------------------------------------------------------------- keys

let going = 0;
const move = (by) => {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.offsetParent && !row.matches(".between"));
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  rows[at]?.classList.remove("at");
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
};
const DOES = {
  "/": () => (document.getElementById("search") ?? document.getElementById("find"))?.focus(),
  "?": () => help?.showModal(),
  t: nextTheme,
  j: () => move(1),
  k: () => move(-1),
  x: (at) => at?.querySelector("input[type=checkbox]")?.click(),
  X: (at) => {
    const box = at?.querySelector("input[type=checkbox][name=id]");
    const row = boxes();
    if (!box || !last || !document.contains(last)) return;
    const [from, to] = [row.indexOf(last), row.indexOf(box)].sort((a, b) => a - b);
    for (const one of row.slice(from, to + 1)) one.checked = true;
    count();
  },
  A: () => { for (const box of boxes()) box.checked = true; count(); },
  l: (at) => { const body = at?.closest("tbody.group"); if (body) { folded.set(body.dataset.key, false); foldAll(); } },
  h: (at) => { const body = at?.closest("tbody.group"); if (body) { folded.set(body.dataset.key, true); foldAll(); } },
  n: () => takeIn(),
  p: () => { isStill = !isStill; document.documentElement.toggleAttribute("data-held", isStill); show(); },
  r: (at) => act("run", at),
  d: (at) => act("delete", at),
  o: () => { for (const one of document.querySelectorAll("main details")) one.open = true; },
  u: () => document.querySelector("[data-run]")?.click(),
  c: () => document.querySelector("[data-copy=id]")?.click(),
  C: () => document.querySelector("[data-copy=error]")?.click(),
};
// What is selected; or, with nothing selected, the job under the cursor.
const act = (name, at) => {
  const button = document.querySelector(`#selection button[value=${name}]`) ?? document.querySelector(`#actions button[data-action=${name}]`);
  if (!button) return;
  const box = at?.querySelector("input[type=checkbox][name=id]");
  if (box && !boxes().some((one) => one.checked)) { box.checked = true; count(); }
  if (!document.getElementById("selection") || boxes().some((one) => one.checked)) button.click();
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const source = button.dataset.text ?? document.getElementById(button.dataset.from)?.textContent ?? "";
  await navigator.clipboard?.writeText(source);
  button.dataset.said = "copied";
  setTimeout(() => delete button.dataset.said, 1500);
});
for (const one of document.querySelectorAll("[data-copy]")) one.hidden = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  if (document.querySelector("dialog[open]")) return;
  if (letters && !letters.checked && event.key.length === 1) return;
  const at = document.querySelector("tr.at");
  const page = Date.now() - going < 1000 && document.querySelector(`nav [data-go="${CSS.escape(event.key)}"]`);
  if (page) location.href = page.href;
  else if (event.key === "g") { going = Date.now(); return; }
  else if (event.key === "Escape") { if (typeof clear === "function") clear(); }
  else if (DOES[event.key]) DOES[event.key](at);
  else if (event.key === "Enter" && at && document.activeElement === document.body) at.querySelector("a[href]:not(.button)")?.click();
  else return;
  going = 0;
  event.preventDefault();
});

