// The table of failures of all calls: sorted, filtered, stepped through, and heard.

import { answerTimer, element, keepKeys } from "./dom.js";
import { filtered, sorted } from "./table.js";
import { clock } from "./model.js";

const COLUMNS = [
  ["recording", "call", (row) => row.recording],
  ["commit_s", "at", (row) => clock(row.commit_s)],
  ["cause", "cause", (row) => row.cause],
  ["probability", "probability", (row) => (row.probability === null ? "–" : row.probability.toFixed(2))],
  ["after_s", "after (s)", (row) => row.after_s.toFixed(2)],
  ["pause_s", "pause (s)", (row) => row.pause_s.toFixed(2)],
  ["words", "words before", (row) => row.words],
  ["line", "line", (row) => row.line],
  ["slice", "turn", (row) => row.slice],
  ["pinned", "pinned", (row) => (row.pinned ? "yes" : "")],
];

function render({ model, el }) {
  let by = "number";
  let down = false;
  let rows = [];

  const search = element("input", {
    type: "search", placeholder: "Filter: a call, a cause, a word", "aria-label": "Filter failures",
  });
  const count = element("output", { class: "lab-where" });
  const head = element("tr");
  const body = element("tbody");
  const table = element("table", { class: "lab-failures", "aria-label": "False boundaries of all calls" },
    element("thead", {}, head), body);
  const player = element("audio", { controls: "", "aria-label": "The failure, as a caller would hear it" });
  const status = element("div", { class: "lab-status", role: "status", "aria-live": "polite" });
  const waitingFor = answerTimer((text) => (status.textContent = text));
  const button = (text, title, act) =>
    element("button", { type: "button", title, "aria-label": `${text}: ${title}`, onclick: act }, text);
  const bar = element("div", { class: "lab-bar", role: "toolbar", "aria-label": "Failures" },
    button("‹ previous", "Previous failure", () => step(-1)),
    button("next ›", "Next failure", () => step(1)),
    button("As the caller would hear it", "Play with the agent replying at the commit", () => hear("interrupted")),
    button("As recorded", "Play what was recorded", () => hear("recorded")),
    button("The label is wrong", "Open this pause in the label editor", () => ask("label")),
    button("Pin", "Keep this failure as a check, or let go of it", () => ask("pin")),
    search, player, count);
  const root = element("div", { class: "lab-timeline", role: "group", "aria-label": "Failures" },
    bar, element("div", { class: "lab-scroll", tabindex: "0" }, table), status);
  el.append(keepKeys(root));

  for (const [name, title] of COLUMNS) {
    const sort = element("button", { type: "button", onclick: () => sortBy(name) }, title);
    head.append(element("th", { scope: "col", "data-name": name }, sort));
  }

  function sortBy(name) {
    down = by === name && !down;
    by = name;
    draw();
  }

  function choose(number) {
    model.set("selected", number);
    model.save_changes();
  }

  function step(by_) {
    const place = rows.findIndex((row) => row.number === model.get("selected"));
    const next = rows[place < 0 ? 0 : place + by_];
    if (next) choose(next.number);
    else status.textContent = by_ > 0 ? "No later failure in this list" : "No earlier failure in this list";
  }

  function ask(kind, more = {}) {
    if (model.get("selected") === null) step(1);
    if (model.get("selected") === null) return;
    model.send({ kind, number: model.get("selected"), ...more });
    waitingFor.asked();
  }

  function hear(what) {
    ask("hear", { what });
    if (model.get("selected") !== null) status.textContent = "Loading sound …";
  }

  function draw() {
    const every = model.get("failures");
    rows = sorted(filtered(every, search.value), by, down);
    body.replaceChildren(
      ...rows.map((row) => {
        const line = element("tr", { tabindex: "0", "data-number": String(row.number) });
        for (const [name, , text] of COLUMNS) line.append(element("td", { "data-name": name }, text(row)));
        line.addEventListener("click", () => {
          choose(row.number);
          hear("interrupted");
        });
        line.addEventListener("keydown", (event) => {
          if (event.key === "Enter") choose(row.number);
          else if (event.key === " ") {
            choose(row.number);
            hear("interrupted");
          } else if (event.key === "ArrowDown") line.nextElementSibling?.focus();
          else if (event.key === "ArrowUp") line.previousElementSibling?.focus();
          else return;
          event.preventDefault();
          event.stopPropagation();
        });
        return line;
      }),
    );
    for (const cell of head.children) {
      const mine = cell.dataset.name === by;
      cell.setAttribute("aria-sort", mine ? (down ? "descending" : "ascending") : "none");
    }
    const all = every.length === rows.length ? "" : ` of ${every.length}`;
    count.textContent = every.length ? `${rows.length}${all} failures` : "No failures under this setting";
    mark();
  }

  function mark() {
    for (const line of body.children) {
      const mine = Number(line.dataset.number) === model.get("selected");
      line.setAttribute("aria-selected", String(mine));
      if (mine) line.scrollIntoView({ block: "nearest" });
    }
  }

  const messaged = (content, buffers) => {
    waitingFor.answered();
    if (content.kind === "sound") {
      if (player.src) URL.revokeObjectURL(player.src);
      player.src = URL.createObjectURL(new Blob([buffers[0]], { type: content.mime }));
      status.textContent = content.text;
      player.play().catch((error) => (status.textContent = `Can't play: ${error.message}`));
    } else if (content.kind === "problem" || content.kind === "told") status.textContent = content.text;
  };
  search.addEventListener("input", draw);
  search.addEventListener("keydown", (event) => event.stopPropagation());
  model.on("change:failures", draw);
  model.on("change:selected", mark);
  model.on("msg:custom", messaged);
  draw();
  return () => {
    model.off("msg:custom", messaged);
    waitingFor.answered();
    if (player.src) URL.revokeObjectURL(player.src);
  };
}

export default { render };
