// Order and selection of the table of results, in place, and the table of each chart. Without it the table has all rows.
"use strict";

/** Return the key of a cell: its figure where it has one, else its text; rows without a figure come last. */
function sortKey(row, column) {
  const cell = row.cells[column], value = cell ? cell.dataset.value : undefined;
  if (value !== undefined) return value === "" ? null : Number(value);
  return cell ? cell.textContent.trim().toLowerCase() : null;
}

function compare(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  return (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other))) * sign;
}

function sortTable(table, head) {
  const column = head.cellIndex, body = table.tBodies[0];
  const falling = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && column > 0);
  const keyed = [...body.rows].map((row, at) => [sortKey(row, column), at, row]);
  keyed.sort((one, other) => compare(one[0], other[0], falling ? -1 : 1) || one[1] - other[1]);
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  body.append(...keyed.map((item) => item[2]));
}

function filterTable(table, text, status) {
  const wanted = text.trim().toLowerCase();
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = wanted !== "" && !row.cells[0].textContent.toLowerCase().includes(wanted);
    if (!row.hidden) shown += 1;
  }
  status.textContent = wanted ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
}

for (const table of document.querySelectorAll("table[data-sort]")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortTable(table, head));
  }
  const box = document.getElementById("filter");
  if (box) {
    const input = box.querySelector("input");
    box.hidden = false;
    input.addEventListener("input", () => filterTable(table, input.value, box.querySelector("[role=status]")));
  }
}

/** Return a text as a cell of CSV that a spreadsheet does not run as a formula. */
function quoteCell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Return the figures of a chart as CSV: a row for each line and period; a gap has an empty value. */
function chartTable(svg) {
  const rows = [["line", "period", "value"]];
  for (const line of svg.querySelectorAll("g[data-values]")) {
    const values = line.dataset.values.split(" ");
    line.dataset.periods.split(" ").forEach((period, at) => rows.push([line.dataset.name, period, values[at] === "-" ? "" : values[at]]));
  }
  return rows.map((row) => row.map(quoteCell).join(",")).join("\n") + "\n";
}

for (const figure of document.querySelectorAll(".charts figure")) {
  const svg = figure.querySelector("svg.tc"), link = document.createElement("a");
  link.textContent = "Table of this chart (CSV)";
  link.className = "get";
  link.download = `${figure.id.replace(/^t-/, "")}.csv`;
  link.href = URL.createObjectURL(new Blob([chartTable(svg)], { type: "text/csv" }));
  figure.append(link);
}
