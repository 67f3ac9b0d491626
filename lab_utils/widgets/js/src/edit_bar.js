// The buttons of the label editor. Python does what they say and sends the labels back.

import { element } from "./dom.js";

/**
 * The second row of buttons. `view`: position() in seconds, label() that is selected, labels() of all,
 * choose(label), hear(label), tell(text), goTo({ at_s, end_s, text }), asked().
 */
export function editBar(model, view) {
  const bar = element("div", { class: "lab-bar", role: "toolbar", "aria-label": "Edit labels" });
  const saved = element("output", { class: "lab-where" });

  function ask(what, more = {}) {
    model.send({ kind: "edit", what, ...more });
    view.asked();
  }

  function ofSelected(what, more = {}) {
    const label = view.label();
    if (label) ask(what, { label, ...more });
    else view.tell("Click a label first");
  }

  function button(text, title, act) {
    return element("button", { type: "button", title, "aria-label": `${text}: ${title}`, onclick: act }, text);
  }

  function nextDifference() {
    const differences = model.get("differences");
    if (!differences.length) return;
    const next = differences.find((one) => one.at_s > view.position() + 0.01) ?? differences[0];
    view.goTo(next);
  }

  function leastSure() {
    const order = model.get("order");
    const next = order[(order.indexOf(model.get("selected")) + 1) % Math.max(1, order.length)];
    const label = view.labels().find((one) => one.number === next);
    if (label) view.choose(label);
    else view.tell("No labels");
  }

  const kind = element("select", { "aria-label": "Kind of label" });
  for (const [value, name] of model.get("kinds")) kind.append(element("option", { value }, name));
  kind.addEventListener("change", () => {
    if (view.label()) ofSelected("retype", { to: kind.value });
  });
  const differing = button("Difference ›", "Go to the next place where the other annotator differs", nextDifference);
  const undo = button("Undo", "Take back the last edit", () => ask("undo"));
  const redo = button("Redo", "Do again what was undone", () => ask("redo"));
  bar.append(
    button("Least sure", "Go to the next label, the least sure first", leastSure),
    button("Hear", "Play the selected label, with 2 s around it", () => {
      const label = view.label();
      if (label) view.hear(label);
      else view.tell("Click a label first");
    }),
    kind,
    button("Split", "Split the selected label at the playhead", () =>
      ofSelected("split", { at_s: view.position() }),
    ),
    button("Merge", "Merge the selected label with the next", () => ofSelected("merge")),
    button("Add", "Add a label of this kind at the playhead", () =>
      ask("add", { to: kind.value, at_s: view.position() }),
    ),
    button("Remove", "Remove the selected label", () => ofSelected("remove")),
    undo,
    redo,
    differing,
    saved,
  );

  function update() {
    const label = view.label();
    if (label) kind.value = label.kind;
    redo.disabled = !model.get("can_redo");
    const differences = model.get("differences").length;
    differing.hidden = !model.get("compared");
    differing.disabled = !differences;
    differing.setAttribute("aria-label", `Difference ›: ${differing.title}`);
    differing.textContent = differences ? `Difference › (${differences})` : "No difference";
    saved.textContent = model.get("saved");
  }
  model.on("change:selected change:labels change:can_redo change:saved change:differences", update);
  update();
  return bar;
}
