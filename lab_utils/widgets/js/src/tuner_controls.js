// Sliders and menus made from the table of knobs: LiveKit's names, units and defaults; why one is idle.

import { element } from "./dom.js";

/** The controls of `knobs`; `move(name, value)` is called as they move. `show(state)` moves them. */
export function knobControls(knobs, move) {
  const root = element("div", { class: "lab-knobs", role: "group", "aria-label": "Settings" });
  const rows = knobs.map((knob) => (knob.choices.length ? menu(knob, move) : slider(knob, move)));
  root.append(...rows.map((row) => row.node));
  return {
    root,
    show(state, quiet) {
      for (const row of rows) {
        const { name } = row.knob;
        if (name !== quiet) row.set(state.values[name]);
        const idle = state.idle[name];
        row.inputs.forEach((input) => (input.disabled = Boolean(idle)));
        row.node.classList.toggle("lab-idle", Boolean(idle));
        row.note.textContent = idle ? `Idle: ${idle}` : (state.notes[name] ?? changed(row.knob, state.values[name]));
      }
    },
  };
}

function changed(knob, value) {
  const same = knob.choices.length ? value === knob.usual : Math.abs(value - knob.usual) < 1e-9;
  return same ? "" : `LiveKit's default: ${usualOf(knob)}`;
}

const usualOf = (knob) => (knob.unit ? `${knob.usual} ${knob.unit}` : String(knob.usual));

function row(knob, ...inputs) {
  const id = `lab-knob-${knob.name}-${Math.random().toString(36).slice(2)}`;
  const label = element("label", { for: id, title: knob.help }, knob.unit ? `${knob.label} (${knob.unit})` : knob.label);
  const note = element("small", { class: "lab-note", id: `${id}-note` });
  inputs[0].id = id;
  for (const input of inputs) {
    input.title = `${knob.help} LiveKit's default: ${usualOf(knob)}.`;
    input.setAttribute("aria-describedby", `${id}-note`);
  }
  return { knob, inputs, note, node: element("div", { class: "lab-knob" }, label, ...inputs, note) };
}

function menu(knob, move) {
  const select = element("select", {});
  for (const choice of knob.choices) select.append(element("option", { value: choice }, choice));
  select.addEventListener("change", () => move(knob.name, select.value));
  return { ...row(knob, select), set: (value) => (select.value = value) };
}

function slider(knob, move) {
  const range = element("input", { type: "range", min: knob.low, max: knob.high, step: knob.step });
  const number = element("input", { type: "number", min: 0, step: "any", "aria-label": `${knob.name}, as a number` });
  const moved = (value) => {
    if (!Number.isFinite(value)) return;
    set(value);
    move(knob.name, value);
  };
  function set(value) {
    if (value > Number(range.max)) range.max = value;
    if (value < Number(range.min)) range.min = value;
    range.value = value;
    range.setAttribute("aria-valuetext", `${value}${knob.unit ? ` ${knob.unit}` : ""}`);
    if (document.activeElement !== number || number.value === "" || Number(number.value) !== value) number.value = value;
  }
  range.addEventListener("input", () => moved(Number(range.value)));
  number.addEventListener("change", () => moved(Number.parseFloat(number.value)));
  number.addEventListener("keydown", (event) => event.stopPropagation());
  return { ...row(knob, range, number), set };
}
