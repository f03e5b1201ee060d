// The search of the list: what may be typed is offered, with how many jobs have it.
"use strict";

const searchField = document.getElementById("search");
const offers = document.getElementById("offers");

// The word at the end of what was typed; a value in quotes may have spaces.
const wordOf = (text) => /[^\s"]*(?:"[^"]*"?)?$/.exec(text)[0];
const optionsOf = () => [...offers.querySelectorAll("[role=option]")];
const chosenOffer = () => optionsOf().findIndex((one) => one.getAttribute("aria-selected") === "true");

const closeOffers = () => {
  offers.hidden = true;
  searchField.setAttribute("aria-expanded", "false");
  searchField.removeAttribute("aria-activedescendant");
};
const chooseOffer = (number) => {
  const all = optionsOf();
  const at = (number + all.length) % all.length;
  all.forEach((one, place) => one.setAttribute("aria-selected", String(place === at)));
  searchField.setAttribute("aria-activedescendant", all[at].id);
};
const takeOffer = (option) => {
  const word = wordOf(searchField.value);
  const text = option.dataset.text;
  searchField.value = searchField.value.slice(0, searchField.value.length - word.length) + text;
  closeOffers();
  if (text.endsWith(":")) offer();
  else searchField.form.requestSubmit();
};

const drawOffers = (found, word) => {
  const rows = found.map((one, place) => {
    const row = document.createElement("li");
    row.id = `offer-${place}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    row.dataset.text = one.text;
    const [name, note] = [document.createElement("code"), document.createElement("span")];
    name.textContent = one.text;
    note.textContent = one.count !== null ? one.count.toLocaleString("en") : one.text.endsWith(":") ? one.label : "";
    row.append(name, note);
    return row;
  });
  if (word && !word.includes(":")) {
    const row = document.createElement("li");
    row.id = "offer-text";
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    row.dataset.text = word;
    row.append(`any text “${word}”`);
    const note = document.createElement("span");
    note.textContent = "slower: looks into bodies";
    row.append(note);
    rows.push(row);
  }
  offers.replaceChildren(...rows);
  offers.hidden = !rows.length;
  searchField.setAttribute("aria-expanded", String(!offers.hidden));
  searchField.removeAttribute("aria-activedescendant");
};

let asked = 0;
const offer = async () => {
  const mine = ++asked;
  const word = wordOf(searchField.value);
  const answer = await fetch(`/jobs/offers?typed=${encodeURIComponent(word)}`, { credentials: "same-origin" }).catch(() => null);
  if (mine !== asked || document.activeElement !== searchField || !answer?.ok) return;
  drawOffers(await answer.json(), word);
};

if (searchField && offers) {
  searchField.removeAttribute("list");
  searchField.setAttribute("role", "combobox");
  searchField.setAttribute("aria-autocomplete", "list");
  searchField.setAttribute("aria-controls", "offers");
  searchField.setAttribute("aria-expanded", "false");
  let waiting = 0;
  searchField.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(offer, 120); });
  searchField.addEventListener("focus", offer);
  searchField.addEventListener("blur", () => { asked += 1; closeOffers(); });
  searchField.addEventListener("keydown", (event) => {
    const at = offers.hidden ? -1 : chosenOffer();
    if (event.key === "Backspace" && !searchField.value) {
      const badges = searchField.form.querySelectorAll(".badge a");
      badges[badges.length - 1]?.click();
    } else if (event.key === "ArrowDown" && offers.hidden) offer();
    else if (offers.hidden) return;
    else if (event.key === "ArrowDown") chooseOffer(at + 1);
    else if (event.key === "ArrowUp") chooseOffer(at < 0 ? -1 : at - 1);
    else if (event.key === "Escape") { closeOffers(); event.stopPropagation(); }
    else if (at >= 0 && (event.key === "Enter" || event.key === "Tab")) takeOffer(optionsOf()[at]);
    else if (event.key === "Tab" && searchField.value && optionsOf().length) takeOffer(optionsOf()[0]);
    else return;
    event.preventDefault();
  });
  // Before the field loses the focus, and with it the offers.
  offers.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[role=option]");
    event.preventDefault();
    if (option) takeOffer(option);
  });
}
