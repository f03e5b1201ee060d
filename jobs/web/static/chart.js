// A channel's main chart, drawn at the width it has: days, the middle of seven, what is usual, what
// was unusual, what is expected. A pointer, a tap or the arrow keys read single days.
"use strict";

(() => {
  const place = document.getElementById("main-chart");
  if (!place) return;
  const data = JSON.parse(place.dataset.series);
  const DAY = 86400000;
  const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const last = Date.parse(data.last_day);
  const first = last - (data.gains.length - 1) * DAY;
  const all = data.gains.map((views, index) => ({ at: first + index * DAY, views }));
  const ahead = (data.ahead || []).map((one) => ({ ...one, at: Date.parse(one.day) }));
  const unusual = new Map((data.unusual || []).map((one) => [Date.parse(one.day), one.ratio]));
  const middles = all.map((_, index) => {
    const around = all.slice(Math.max(0, index - 3), index + 4).map((one) => one.views).filter((one) => one !== null).sort((a, b) => a - b);
    return all[index].views === null || around.length < 4 ? null : (around[(around.length - 1) >> 1] + around[around.length >> 1]) / 2;
  });
  const short = (value) => {
    const size = Math.abs(value);
    for (const [scale, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
      if (size >= scale * 10 || (size >= 1e6 && size >= scale)) return `${Number((value / scale).toPrecision(3))}${unit}`;
    }
    return Math.round(value).toLocaleString("en");
  };
  const day = (at, year = true) => { const date = new Date(at); return `${date.getUTCDate()} ${NAMES[date.getUTCMonth()]}${year ? ` ${date.getUTCFullYear()}` : ""}`; };
  const make = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const nice = (value) => { const size = 10 ** Math.floor(Math.log10(value)); return [1, 2, 2.5, 5, 10].map((one) => one * size).find((one) => one >= value); };

  let days = Math.min(120, all.length);
  let chosen = null;
  let scale = null;

  const draw = () => {
    const width = Math.max(240, place.clientWidth);
    const height = place.querySelector("svg")?.clientHeight || 300;
    const right = 46, bottom = 24, top = 18;
    const shown = all.slice(-days);
    const from = shown[0].at - DAY / 2, until = (ahead.length ? ahead[ahead.length - 1].at : last) + DAY / 2;
    const values = shown.map((one) => one.views || 0);
    const most = Math.max(1, data.high || 0, ...values, ...ahead.map((one) => one.value));
    const step = nice(Math.min(Math.max(most, ...ahead.map((one) => one.high)), most * 1.25) / 4);
    const ceiling = step * Math.ceil(most / step);
    const x = (at) => ((at - from) / (until - from)) * (width - right);
    const y = (value) => top + (height - top - bottom) * (1 - Math.min(value, ceiling * 1.04) / ceiling);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (let value = 0; value <= ceiling; value += step) {
      svg.append(make("line", { class: value ? "grid" : "axis", x1: 0, x2: width - right, y1: y(value), y2: y(value) }));
      svg.append(make("text", { x: width - right + 8, y: y(value) + 4 }, short(value)));
    }
    if (data.high !== null) {
      svg.append(make("rect", { class: "band-ground", x: 0, width: x(last + DAY / 2), y: y(data.high), height: Math.max(1, y(data.low) - y(data.high)) }));
    }
    let hole = null;
    shown.forEach((one, index) => {
      if (one.views !== null) { hole = null; return; }
      if (hole === null) { hole = make("rect", { class: "unread", x: x(one.at - DAY / 2), y: top, height: height - top - bottom, width: 0 }); svg.append(hole); }
      hole.setAttribute("width", x(shown[index].at + DAY / 2) - Number(hole.getAttribute("x")));
    });
    const every = Math.max(1, Math.ceil(((until - from) / DAY) / (width / 90)));
    if (every <= 20) {
      for (let at = shown[0].at; at < until; at += every * DAY) svg.append(make("text", { x: x(at), y: height - 6, "text-anchor": at === shown[0].at ? "start" : "middle" }, day(at, false)));
    } else {
      const months = Math.ceil(every / 30);
      for (let date = new Date(Date.UTC(new Date(from).getUTCFullYear(), new Date(from).getUTCMonth() + 1, 1)); date.getTime() < until; date.setUTCMonth(date.getUTCMonth() + months)) {
        svg.append(make("text", { x: x(date.getTime()), y: height - 6 }, `${NAMES[date.getUTCMonth()]}${date.getUTCMonth() < months ? ` ${date.getUTCFullYear()}` : ""}`));
      }
    }
    if (ahead.length) {
      const points = [{ at: last, value: middles[middles.length - 1] ?? ahead[0].value, low: middles[middles.length - 1] ?? ahead[0].low, high: middles[middles.length - 1] ?? ahead[0].high }, ...ahead];
      const line = (name) => points.map((one) => `${x(one.at).toFixed(1)},${y(one[name]).toFixed(1)}`);
      svg.append(make("polygon", { class: "fan", points: [...line("high"), ...line("low").reverse()].join(" ") }));
      svg.append(make("polyline", { class: "ahead", points: line("value").join(" ") }));
    }
    const dot = Math.max(1.1, Math.min(2.8, (0.32 * (width - right)) / ((until - from) / DAY)));
    for (const one of shown) {
      if (one.views === null) continue;
      const out = unusual.has(one.at);
      svg.append(make("circle", { class: out ? "out" : "dot", cx: x(one.at).toFixed(1), cy: y(one.views).toFixed(1), r: out ? 4.5 : dot.toFixed(1) }));
    }
    let run = [];
    const flush = () => { if (run.length > 1) svg.append(make("polyline", { class: "line", points: run.join(" ") })); run = []; };
    shown.forEach((one, index) => {
      const middle = middles[all.length - days + index];
      if (middle === null) flush(); else run.push(`${x(one.at).toFixed(1)},${y(middle).toFixed(1)}`);
    });
    flush();
    const named = shown.filter((one) => unusual.has(one.at)).sort((a, b) => b.views - a.views)[0];
    if (named) {
      const near = x(named.at) > width * 0.6;
      svg.append(make("text", { class: "named", x: x(named.at) + (near ? -9 : 9), y: y(named.views) + 4, "text-anchor": near ? "end" : "start" }, `${day(named.at, false)}: ${unusual.get(named.at)} a usual day`));
    }
    scale = { x, y, width, height, right, bottom, top, shown };
    place.querySelector("svg")?.remove();
    place.prepend(svg);
    mark();
  };

  const output = place.querySelector("output");
  const mark = () => {
    place.querySelector(".cross")?.remove();
    output.hidden = chosen === null;
    if (chosen === null) return;
    const points = [...scale.shown.map((one) => one.at), ...ahead.map((one) => one.at)];
    chosen = Math.max(0, Math.min(points.length - 1, chosen));
    const at = points[chosen], x = scale.x(at);
    place.querySelector("svg").append(make("line", { class: "cross", x1: x, x2: x, y1: scale.top, y2: scale.height - scale.bottom }));
    output.replaceChildren();
    const head = document.createElement("b");
    head.textContent = `${["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][new Date(at).getUTCDay()]}, ${day(at)}`;
    output.append(head);
    const row = (label, value) => { const line = document.createElement("div"), name = document.createElement("span"); name.textContent = label; line.append(name, value); output.append(line); };
    if (chosen < scale.shown.length) {
      const one = scale.shown[chosen], middle = middles[all.length - scale.shown.length + chosen];
      row("this day", one.views === null ? "not read" : one.views.toLocaleString("en"));
      if (middle !== null) row("middle of 7 days", Math.round(middle).toLocaleString("en"));
      if (unusual.has(at)) row("unusual", `${unusual.get(at)} a usual day`);
    } else {
      const one = ahead[chosen - scale.shown.length];
      row("expected", short(one.value));
      row("8 of 10 outcomes", `${short(one.low)} to ${short(one.high)}`);
    }
    const room = scale.width - output.offsetWidth - 4;
    output.style.left = `${Math.max(0, Math.min(room, x + 14 > room ? x - output.offsetWidth - 14 : x + 14))}px`;
  };

  const under = (event) => {
    const box = place.getBoundingClientRect();
    const points = [...scale.shown.map((one) => one.at), ...ahead.map((one) => one.at)];
    const x = event.clientX - box.left;
    chosen = points.reduce((best, at, index) => (Math.abs(scale.x(at) - x) < Math.abs(scale.x(points[best]) - x) ? index : best), 0);
    mark();
  };
  place.addEventListener("pointermove", under);
  place.addEventListener("pointerdown", under);
  place.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") { chosen = null; mark(); } });
  place.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7 };
    if (event.key === "Escape") chosen = null;
    else if (event.key in moves) chosen = (chosen ?? scale.shown.length) + moves[event.key];
    else return;
    event.preventDefault();
    event.stopPropagation();
    mark();
  });
  for (const button of document.querySelectorAll("[data-days]")) {
    const wanted = Math.min(Number(button.dataset.days), all.length);
    button.addEventListener("click", () => {
      days = wanted; chosen = null;
      for (const one of document.querySelectorAll("[data-days]")) one.setAttribute("aria-pressed", String(one === button));
      draw();
    });
  }
  document.querySelector(".ranges")?.removeAttribute("hidden");
  new ResizeObserver(draw).observe(place);
  draw();
})();
