// One crosshair through all strips of a chart: by pointer, by tap, and by the arrow keys.
"use strict";

const balloon = document.createElement("div");
balloon.className = "balloon";
balloon.hidden = true;
balloon.innerHTML = "<p></p><dl></dl><p class=muted></p>";
document.body.append(balloon);

const ROWS = [["done", "done"], ["failed", "failed"], ["half", "wait, half below"], ["most", "95 % below"], ["all", "99 % below"]];

const pointAt = (minute) => {
  const strips = minute.closest("[data-strips]");
  for (const one of strips.querySelectorAll(".minute.at")) one.classList.remove("at");
  minute.classList.add("at");
  for (const shown of strips.querySelectorAll("[data-of]")) {
    shown.textContent = minute.dataset[shown.dataset.of];
    if (shown.dataset.of === "failed") shown.classList.toggle("none", !/[1-9]/.test(shown.textContent));
  }
  const from = new Date(minute.dataset.at);
  const to = new Date(from.getTime() + 1000 * minute.dataset.step);
  const [title, foot] = balloon.querySelectorAll("p");
  title.textContent = `${timeOf(from)} to ${clockOf(to, false)}`.replace(/(\d\d:\d\d):00 to/, "$1 to");
  balloon.querySelector("dl").replaceChildren(...ROWS.flatMap(([name, label]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = label;
    dd.textContent = minute.dataset[name];
    return [dt, dd];
  }));
  foot.textContent = minute.hasAttribute("href") ? "click lists its jobs" : "";
  balloon.hidden = false;
  const box = minute.getBoundingClientRect();
  const wide = balloon.offsetWidth;
  const left = box.right + 12 + wide < innerWidth ? box.right + 12 : box.left - 12 - wide;
  balloon.style.left = `${Math.max(8, left)}px`;
  balloon.style.top = `${Math.max(8, Math.min(innerHeight - balloon.offsetHeight - 8, box.top + 8))}px`;
};
const leave = (strips) => {
  for (const one of strips.querySelectorAll(".minute.at")) one.classList.remove("at");
  balloon.hidden = true;
};
document.addEventListener("pointerover", (event) => {
  const minute = event.target.closest?.(".minute");
  if (minute) pointAt(minute);
  else if (!balloon.hidden && !document.activeElement?.closest?.("[data-strips]")) for (const one of document.querySelectorAll("[data-strips]")) leave(one);
});
document.addEventListener("focusout", (event) => { const strips = event.target.closest?.("[data-strips]"); if (strips) leave(strips); });
document.addEventListener("keydown", (event) => {
  const strips = document.activeElement?.closest?.("[data-strips]");
  if (!strips || !["ArrowLeft", "ArrowRight", "Enter"].includes(event.key)) return;
  const all = [...strips.querySelectorAll(".minute")];
  const at = all.findIndex((one) => one.classList.contains("at"));
  if (event.key === "Enter") { if (at >= 0 && all[at].hasAttribute("href")) location.href = all[at].getAttribute("href"); }
  else pointAt(all[at < 0 ? all.length - 1 : Math.max(0, Math.min(all.length - 1, at + (event.key === "ArrowLeft" ? -1 : 1)))]);
  event.preventDefault();
});

// Times along the axis, and of deploys, in the reader's zone.
const localTimes = () => {
  for (const one of document.querySelectorAll("[data-clock-at]")) one.textContent = clockOf(new Date(one.dataset.clockAt), false);
  for (const one of document.querySelectorAll("[data-mark]")) one.textContent = `${one.dataset.mark} at ${timeOf(new Date(one.dataset.at), true)}`;
  const minutes = -new Date().getTimezoneOffset();
  const zone = minutes ? `UTC${minutes > 0 ? "+" : "−"}${Math.floor(Math.abs(minutes) / 60)}${minutes % 60 ? `:${two(Math.abs(minutes) % 60)}` : ""}` : "UTC";
  for (const one of document.querySelectorAll("[data-zone]")) one.textContent = minutes ? `in your time (${zone})` : "in UTC";
};
document.addEventListener("patched", localTimes);
localTimes();
