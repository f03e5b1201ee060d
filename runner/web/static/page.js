// Keeps an open page true: what changes is patched in place, and what may be old is shown as old.
// Everything works without it, by reloading.
"use strict";

const HELD = "pipeline-live";
const BEAT_MS = 2000;
const STALE_MS = 3 * BEAT_MS;
const RETRY_S = 5;
const liveButton = document.getElementById("live");

// ---------------------------------------------------------------- the server's clock

let ahead = Number(document.body.dataset.now || Date.now()) - Date.now();
const now = () => Date.now() + ahead;
const two = (number) => String(number).padStart(2, "0");
const clockOf = (at, seconds = true) => `${two(at.getHours())}:${two(at.getMinutes())}` + (seconds ? `:${two(at.getSeconds())}` : "");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const dayOf = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate());
const timeOf = (at, always = false) => {
  const today = new Date(now());
  const days = Math.round((dayOf(today) - dayOf(at)) / 86400000);
  if (days === 0) return clockOf(at, always || Math.abs(now() - at) < 3600000);
  const day = days === 1 ? "yesterday" : days === -1 ? "tomorrow"
    : `${at.getDate()} ${MONTHS[at.getMonth()]}` + (at.getFullYear() === today.getFullYear() ? "" : ` ${at.getFullYear()}`);
  return `${day} ${clockOf(at, always)}`;
};

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
const agoOf = (at) => {
  const seconds = (now() - at) / 1000;
  return Math.abs(seconds) < 1 ? "now" : seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
};

// An age counts on only while the page is live; else the time itself stands there.
const isLive = () => Boolean(stream) && !isStale();
const tick = () => {
  for (const time of document.querySelectorAll("time[data-ago], time[data-clock]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const counts = "ago" in time.dataset && isLive();
    const text = counts ? agoOf(at) : timeOf(at, "seconds" in time.dataset);
    if (time.textContent !== text) time.textContent = text;
    const told = `${at.toISOString().replace("T", " ").slice(0, 19)} UTC` + (counts ? `, here ${timeOf(at, true)}` : isLive() ? `, ${agoOf(at)}` : "");
    if (time.title !== told) time.title = told;
  }
  const clock = document.getElementById("clock");
  if (clock && answeredAt) { clock.hidden = false; clock.textContent = clockOf(new Date(answeredAt)); }
};

// ---------------------------------------------------------------- patching

const KEPT = new Set(["open", "checked", "disabled", "hidden", "data-arrived", "aria-expanded"]);  // the reader's, not the server's
const keyOf = (node) => (node.nodeType === 1 ? node.getAttribute("data-key") || node.getAttribute("id") : null);

const patchAttributes = (old, next) => {
  for (const { name, value } of next.attributes) {
    if (KEPT.has(name)) continue;
    if (name === "class") {
      const kept = ["at", "gone", "new", "chosen", "folded"].filter((one) => old.classList.contains(one));
      const wanted = [value, ...kept].join(" ").trim();
      if (old.getAttribute("class") !== wanted) old.setAttribute("class", wanted);
    } else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !KEPT.has(name) && name !== "class" && !(name === "title" && old.localName === "time")) old.removeAttribute(name);
  }
};

const patch = (old, next) => {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) { old.replaceWith(document.importNode(next, true)); return; }
  if (old.nodeType !== 1) { if (old.data !== next.data) old.data = next.data; return; }
  if (old.localName === "time" && old.dateTime === next.dateTime && old.hasAttribute("datetime")) return;
  if (old.matches("input:not([type=checkbox]), select, textarea") && old === document.activeElement) return;
  patchAttributes(old, next);
  patchChildren(old, next);
};

const patchChildren = (old, next) => {
  const keyed = new Map([...old.children].filter(keyOf).map((one) => [keyOf(one), one]));
  const still = old.hasAttribute("data-rows") && !takingIn && isHeld(old);
  let place = old.firstChild;
  let arrived = 0;
  for (const wanted of [...next.childNodes]) {
    const key = keyOf(wanted);
    let mine = key ? keyed.get(key) : place;
    if (!key) while (mine && keyOf(mine)) mine = mine.nextSibling;
    if (key) keyed.delete(key);
    if (mine) {
      if (!still && mine !== place) old.insertBefore(mine, place);
      const after = mine.nextSibling;
      mine.classList?.remove("gone");
      patch(mine, wanted);
      if (!still || mine === place) place = after;
    } else if (still && key) arrived += 1;
    else {
      const made = document.importNode(wanted, true);
      if (key && old.hasAttribute("data-rows")) made.classList.add("new");
      old.insertBefore(made, place);
    }
  }
  if (old.hasAttribute("data-rows")) old.dataset.arrived = String(still ? arrived : 0);
  if (still) {
    for (const gone of keyed.values()) gone.classList.add("gone");
    return;
  }
  while (place) { const after = place.nextSibling; place.remove(); place = after; }
  for (const gone of keyed.values()) gone.remove();
};

let isStill = false;
let takingIn = false;
// While a hand is on a list, its rows neither move nor come and go.
const isHeld = (rows) => isStill || (rows.dataset.rows !== "found" && ((rows.dataset.rows === "list" && !takingIn) || rows.matches(":hover") || rows.contains(document.activeElement) || Boolean(rows.querySelector("input[type=checkbox]:checked"))));

const swap = (fresh) => {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (next) patch(part, next);
  }
  prepare();
};

// ---------------------------------------------------------------- what the server says

let answeredAt = 0;
let cause = "";
let busy = false;
let again = false;
let nextTry = RETRY_S;

const answered = (at) => { ahead = at - Date.now(); answeredAt = at; cause = ""; };

const refresh = async () => {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(10000) });
    if (answer.type === "opaqueredirect") location.reload();  // the session has ended
    else if (answer.ok || answer.status === 404) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok) swap(fresh);
      answered(Number(fresh.body.dataset.now || now()));
    } else cause = answer.status === 503 ? "Redis" : "the web server";
  } catch {
    cause = "the web server";
  } finally {
    busy = false;
    show();
    if (again) { again = false; setTimeout(refresh, 500); }
  }
};

let stream = null;
const listen = () => {
  stream?.close();
  stream = new EventSource("/live");
  stream.addEventListener("beat", (event) => {
    const told = JSON.parse(event.data);
    if (told.away) { cause = "Redis"; show(); return; }
    for (const one of document.querySelectorAll("[data-many]")) {
      const many = told.counts[one.dataset.many];
      one.hidden = !many;
      one.classList.toggle("bad", one.dataset.many === "dead");
      one.textContent = many ? many.toLocaleString("en") : "";
    }
    if (cause) refresh();
    else answered(told.at);
    show();
  });
  stream.addEventListener("change", () => { if (!document.hidden) refresh(); });
  stream.addEventListener("error", () => { if (stream?.readyState === EventSource.CLOSED) cause ||= "the web server"; });
};

const setLive = (on) => {
  if (on) { listen(); refresh(); } else { stream?.close(); stream = null; }
  localStorage.setItem(HELD, on ? "on" : "off");
  show();
};

// ---------------------------------------------------------------- staleness, as a state that one sees

const off = new Map();  // controls that are off since then, with their titles
const isStale = () => Boolean(stream) && Boolean(answeredAt) && now() - answeredAt > STALE_MS && !document.hidden;

const show = () => {
  if (!liveButton) return;
  const root = document.documentElement;
  const stale = isStale();
  if (stale !== root.hasAttribute("data-stale")) {
    root.toggleAttribute("data-stale", stale);
    for (const control of document.querySelectorAll("main button, main select, main input")) {
      if (control.closest(".outage")) continue;
      if (stale && !control.disabled) { off.set(control, control.title); control.disabled = true; control.title = "Off until the server answers again"; }
    }
    if (!stale) {
      for (const [control, title] of off) { control.disabled = false; control.title = title; }
      off.clear();
    }
    if (stale) nextTry = RETRY_S;
  }
  let banner = document.getElementById("outage");
  if (stale) {
    if (!banner) {
      banner = document.createElement("div");
      banner.id = "outage";
      banner.className = "outage";
      banner.setAttribute("role", "alert");
      banner.innerHTML = '<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 2.5L14.5 13.5h-13zM8 6.500v3.5M8 11.800h.01"/></svg><div><p></p><p></p></div><button type="button">Try now</button>';
      banner.querySelector("button").addEventListener("click", retry);
      document.getElementById("main").prepend(banner);
    }
    const [title, text] = banner.querySelectorAll("p");
    const said = [`No answer since ${clockOf(new Date(answeredAt))}`,
      `What stands below is as of then, ${span((now() - answeredAt) / 1000)} old. Buttons are off until ${cause || "the web server or Redis"} answers again; this page goes on by itself, next try in ${nextTry} s.`];
    if (title.textContent !== said[0]) title.textContent = said[0];
    if (text.textContent !== said[1]) text.textContent = said[1];
  } else banner?.remove();
  const on = Boolean(stream);
  liveButton.setAttribute("aria-pressed", String(on && !stale));
  liveButton.lastElementChild.textContent = !on ? "Live is off" : stale ? "No answer" : isStill ? "Held still" : "Live";
  tick();
};

const retry = () => {
  nextTry = RETRY_S;
  if (stream?.readyState !== EventSource.OPEN) listen();
  refresh();
};

const prepare = () => { tick(); document.dispatchEvent(new Event("patched")); };

prepare();
if (liveButton) {
  answeredAt = now();
  liveButton.hidden = false;
  liveButton.addEventListener("click", () => setLive(!stream));
  if (localStorage.getItem(HELD) !== "off") listen();
  show();
  setInterval(() => {
    if (isStale() && (nextTry -= 1) <= 0) retry();
    show();
  }, 1000);
  setInterval(() => { if (document.querySelector("[data-poll]")) refresh(); }, 700);
  setInterval(() => { if (stream && !document.hidden) refresh(); }, 15000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && stream) refresh(); });
} else setInterval(tick, 1000);
