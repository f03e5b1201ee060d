// Keeps an open page up to date, and adds keys. Everything works without it, by reloading.
"use strict";

const LIVE = "pipeline-live";
const liveButton = document.getElementById("live");

// ---------------------------------------------------------------- live parts

let busy = false;
let again = false;

const isInUse = (part) =>
  part.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), select");

const remember = (part) => ({
  checked: new Set([...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value)),
  open: new Set([...part.querySelectorAll("details[open]")].map((one) => one.id)),
  focus: part.contains(document.activeElement) ? describe(document.activeElement) : null,
  row: [...part.querySelectorAll("tbody tr")].findIndex((row) => row.classList.contains("at")),
});

const describe = (element) => [element.tagName, element.id, element.getAttribute("value"), element.getAttribute("href"), element.textContent];

const restore = (part, was) => {
  for (const box of part.querySelectorAll("input[type=checkbox]")) box.checked = was.checked.has(box.value);
  for (const one of part.querySelectorAll("details")) one.open = was.open.has(one.id);
  if (was.row >= 0) part.querySelectorAll("tbody tr")[was.row]?.classList.add("at");
  if (was.focus) {
    const same = (element) => describe(element).every((value, place) => value === was.focus[place]);
    [...part.querySelectorAll("a, button, input, summary")].find(same)?.focus({ preventScroll: true });
  }
};

const swap = (fresh) => {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || isInUse(part) || part.innerHTML === next.innerHTML) continue;
    const was = remember(part);
    const adopted = document.importNode(next, true);
    part.replaceWith(adopted);
    restore(adopted, was);
  }
  prepare();
};

const refresh = async () => {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", redirect: "manual" });
    if (answer.type === "opaqueredirect") location.reload();  // the session has ended
    else if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The next change tries again.
  } finally {
    busy = false;
    if (again) { again = false; setTimeout(refresh, 500); }
  }
};

let stream = null;
const setLive = (on) => {
  stream?.close();
  stream = null;
  if (on) {
    stream = new EventSource("/live");
    stream.addEventListener("change", () => { if (!document.hidden) refresh(); });
    stream.addEventListener("error", () => { if (stream?.readyState === EventSource.CLOSED) refresh(); });
  }
  liveButton.setAttribute("aria-pressed", String(on));
  liveButton.lastElementChild.textContent = on ? "Live" : "Live is off";
  localStorage.setItem(LIVE, on ? "on" : "off");
};

// ---------------------------------------------------------------- times, selection

const SPANS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
const span = (seconds) => {
  for (const [large, name, small, smallName] of SPANS) {
    if (seconds >= large) {
      const rest = Math.floor((seconds % large) / small);
      return `${Math.floor(seconds / large)} ${name}` + (rest ? ` ${rest} ${smallName}` : "");
    }
  }
  return `${Math.floor(seconds)} s`;
};
const tick = () => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() - new Date(time.dateTime)) / 1000;
    const text = Math.abs(seconds) < 1 ? "now" : seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
    if (time.textContent !== text) time.textContent = text;
  }
};

const boxes = () => [...document.querySelectorAll("input[type=checkbox][name=id]")];
const count = () => {
  const chosen = boxes().filter((box) => box.checked).length;
  for (const label of document.querySelectorAll("[data-count]")) label.textContent = chosen ? `${chosen} selected` : "Select all";
};
const prepare = () => {
  for (const all of document.querySelectorAll("[data-all]")) all.hidden = false;
  tick();
  count();
};

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
  const now = rows.findIndex((row) => row.classList.contains("at"));
  rows[now]?.classList.remove("at");
  const next = rows[Math.max(0, Math.min(rows.length - 1, now + by))];
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  const at = document.querySelector("tr.at");
  const page = Date.now() - going < 1000 && document.querySelector(`nav [data-go="${CSS.escape(event.key)}"]`);
  if (page) location.href = page.href;
  else if (event.key === "g") { going = Date.now(); return; }
  else if (event.key === "/") document.getElementById("find")?.focus();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x") at?.querySelector("input[type=checkbox]")?.click();
  else if (event.key === "Enter" && at && document.activeElement === document.body) at.querySelector("a")?.click();
  else return;
  going = 0;
  event.preventDefault();
});

prepare();
setInterval(tick, 1000);
setInterval(() => { if (document.querySelector("[data-poll]")) refresh(); }, 700);
if (liveButton) {
  liveButton.hidden = false;
  liveButton.addEventListener("click", () => setLive(liveButton.getAttribute("aria-pressed") !== "true"));
  setLive(localStorage.getItem(LIVE) !== "off");
}
