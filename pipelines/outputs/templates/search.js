// Search of places by name, former or Welsh name, code, or postcode district. The page's links work without it.
"use strict";
const DATA = {{ data | safe }};
const MOST = 12;
const script = document.currentScript;

/** Return a text in the form in which names are compared. */
function fold(text) {
  return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/&/g, " and ").replace(/['’.]/g, "").replace(/[^a-z0-9]+/g, " ").trim();
}

const NAMES = DATA.places.map((place) => [place[1], place[0], ...place[4]].map((text) => [text, fold(text), `former or other name: ${text}`]));
for (const [at, name, site] of DATA.nicknames) NAMES[at].push([name, fold(name), `short name: ${name} (${site})`]);

/** Return how well a name matches: 0 the whole, 1 its beginning, 2 a later word; -1 not at all. */
function match(name, text) {
  if (name === text) return 0;
  if (name.startsWith(text)) return 1;
  return name.includes(" " + text) ? 2 : -1;
}

/** Return the postcode district of a postcode, whole or begun; blank for other texts. */
function district(text) {
  const code = text.toUpperCase().replace(/\s+/g, "");
  const whole = code.match(/^([A-Z]{1,2}[0-9][A-Z0-9]?)[0-9][A-Z]{2}$/);
  const begun = text.trim().toUpperCase().split(/\s+/)[0];
  return [whole ? whole[1] : "", code, begun].find((part) => Object.hasOwn(DATA.districts, part)) || "";
}

/** Return the places that match a text, best first: position in DATA.places, and a note. */
function search(typed) {
  const part = district(typed);
  if (part) {
    const shares = DATA.districts[part];
    return shares.flatMap((at, i) => (i % 2 ? [] : [[at, shares[i + 1] === "100 %" ? `all postcodes of ${part}` : `${shares[i + 1]} of the postcodes of ${part}`]]));
  }
  const text = fold(typed);
  if (text.length < 2) return [];
  const hits = [];
  NAMES.forEach((names, at) => {
    let best = null;
    names.forEach(([, folded, note], i) => {
      const level = match(folded, text);
      const rank = level * 2 + (i > 0 ? 1 : 0);
      if (level >= 0 && (best === null || rank < best[1])) best = [at, rank, i > 1 ? note : ""];
    });
    if (best) hits.push(best);
  });
  return hits.sort((one, other) => one[1] - other[1] || one[0] - other[0]).map(([at, , note]) => [at, note]);
}

/** Return the list item of a place: a link, with its kind, region and note. */
function item([at, note]) {
  const [code, name, kind, where] = DATA.places[at];
  const row = document.createElement("li"), link = document.createElement("a"), small = document.createElement("small");
  link.href = script.dataset.root + "places/" + encodeURIComponent(code) + ".html";
  link.textContent = name;
  small.textContent = [DATA.kinds[kind], DATA.wheres[where], note].filter(Boolean).join(", ");
  row.append(link, " ", small);
  return row;
}

/** Return a heading and a list for each group of places, in the order of the index. */
function groups(found) {
  const group = ([at]) => DATA.groups[DATA.places[at][2]];
  return DATA.order.flatMap((title) => {
    const own = found.filter((place) => group(place) === title);
    if (!own.length) return [];
    const head = document.createElement("p"), list = document.createElement("ul");
    head.className = "group";
    head.textContent = title;
    list.setAttribute("aria-label", title);
    list.append(...own.map(item));
    return [head, list];
  });
}

function show(box, typed) {
  const found = search(typed);
  box.querySelector(".results").replaceChildren(...groups(found.slice(0, MOST)));
  const more = found.length > MOST ? `; the first ${MOST} are listed` : "";
  const northern = /^bt[0-9]/i.test(typed.trim()) ? ". Postcodes of Northern Ireland are not in this table; type the name of the council" : "";
  const source = district(typed) ? ". Shares are of postcodes in use or retired (ONS Postcode Directory, November 2025), not of people" : "";
  const count = found.length === 1 ? "1 place" : `${found.length || "No"} places`;
  box.querySelector("[role=status]").textContent = typed.trim().length < 2 ? "" : count + more + northern + source + ".";
}

const box = document.getElementById("find");
if (box) {
  const input = box.querySelector("input");
  box.hidden = false;
  input.addEventListener("input", () => show(box, input.value));
  input.addEventListener("keydown", (event) => {
    const at = search(input.value)[0], first = at && links().find((link) => link.href.endsWith(`/${encodeURIComponent(DATA.places[at[0]][0])}.html`));
    if (event.key === "Enter" && first) location.href = first.href;
    if (event.key === "Escape") { input.value = ""; show(box, ""); }
  });
  // The arrow keys move through the box and the places that it lists; Escape returns to the box.
  const links = () => [...box.querySelectorAll(".results a")];
  box.addEventListener("keydown", (event) => {
    const stops = [input, ...links()], step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step && stops[stops.indexOf(document.activeElement) + step];
    if (next) { event.preventDefault(); next.focus(); }
    if (event.key === "Escape") input.focus();
  });
  show(box, input.value);
}
