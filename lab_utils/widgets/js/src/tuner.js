// The tuner: controls, the trade-off, the figures of what the controls say, and what to do with them.
//
// Python answers every move (`Requests`); what is drawn is what it said last, grey where that is not current.

import { element, keepKeys } from "./dom.js";
import { Requests } from "./requests.js";
import { tradeoff } from "./tradeoff.js";
import { percent, pointsOf, seconds } from "./tradeoff_model.js";
import { knobControls } from "./tuner_controls.js";

const GREY_AFTER_MS = 150;
const HINT = "Point at a dot to read it, click to take it; drag the dashed lines to set a budget.";

function render({ model, el }) {
  const points = pointsOf(
    model.get("point_rows"), model.get("point_values"), model.get("point_codes"), model.get("point_knobs"),
  );
  const budgets = { [model.get("suggested").limit]: model.get("suggested").most };
  budgets.false_boundary_rate ??= 0.1;
  let limit = "false_boundary_rate";
  let scheduled = false;
  let moving = null;
  const requests = new Requests((message) => model.send(message), {
    first: Math.floor(Math.random() * 1e9) + 1,
    silent: (yes) => {
      root.classList.toggle("lab-silent", yes);
      if (yes) status.textContent = "No answer from Python yet. If it was restarted, run the cell again; in lab tune, load the page again.";
    },
  });

  const colour = (name) => model.get("colours")[name] ?? model.get("colours").other;

  function ask(kind, more = {}, same = null) {
    requests.ask({ kind, ...more }, same);
    setTimeout(() => root.classList.toggle("lab-waiting", requests.busy), GREY_AFTER_MS);
  }

  const button = (text, title, act) =>
    element("button", { type: "button", title, "aria-label": title, onclick: act }, text);
  const root = element("div", { class: "lab-tuner", role: "group", "aria-label": "Tuner" });
  const knobs = knobControls(model.get("knobs"), (name, value) => {
    moving = name;
    ask("move", { knob: name, value }, `move ${name}`);
  });

  // The first row of buttons: steps and presets.
  const undo = button("Undo", "Undo the last step", () => ask("undo"));
  const redo = button("Redo", "Do again what was undone", () => ask("redo"));
  const preset = element("select", { "aria-label": "Presets" });
  preset.addEventListener("change", () => {
    if (preset.value) ask("preset", { name: preset.value });
  });
  const presetName = element("input", { type: "text", placeholder: "name", "aria-label": "Name for a preset", size: 10 });
  const steps = element("div", { class: "lab-bar", role: "toolbar", "aria-label": "Steps and presets" },
    undo, redo, button("Reset", "Back to the setting that it began with", () => ask("reset")), preset, presetName,
    button("Save", "Save these settings as a preset", () => ask("keep", { name: presetName.value })),
    button("Remove", "Remove the chosen preset", () => ask("forget", { name: preset.value })));
  const others = element("small", { class: "lab-note" });

  // The trade-off.
  const axis = element("select", { "aria-label": "Latency that the plot shows" });
  for (const [name, text] of Object.entries(model.get("axes"))) axis.append(element("option", { value: name }, text));
  axis.addEventListener("change", schedule);
  const plot = tradeoff({
    points,
    hint: HINT,
    axis: () => axis.value,
    axisName: () => model.get("axes")[axis.value],
    paper: () => getComputedStyle(root).backgroundColor,
    marks: () => model.get("scored").marks ?? {},
    colour,
    old: () => model.get("scored").state !== "exact" || root.classList.contains("lab-waiting"),
    frontier: () => model.get("frontiers")[axis.value],
    budgets: () => budgets,
    take: (k) => ask("take", { row: points.rows[k] }),
    budget: setBudget,
  });
  const most = budgetControl("cut off at most", "%", 100, 0.5, "false_boundary_rate");
  const longest = budgetControl("or this latency at most", "s", 1, 0.05, null);
  const suggestion = element("span", { class: "lab-suggestion" });
  const budgetBar = element("div", { class: "lab-bar", role: "group", "aria-label": "Budget" },
    most.node, longest.node, suggestion,
    button("Take it", "Take the best setting within the budget", () => ask("take", { row: model.get("suggested").row })));
  const legend = element("ul", { class: "lab-legend", "aria-label": "Legend" });

  function budgetControl(text, unit, factor, step, field) {
    const of = () => field ?? axis.value;
    const input = element("input", { type: "number", min: 0, step, "aria-label": `Budget: ${text}, in ${unit}` });
    input.addEventListener("change", () => {
      const value = Number.parseFloat(input.value) / factor;
      if (Number.isFinite(value)) setBudget(of(), value);
    });
    input.addEventListener("keydown", (event) => event.stopPropagation());
    const show = () => {
      const value = budgets[of()];
      if (document.activeElement !== input) input.value = value === undefined ? "" : +(value * factor).toFixed(2);
    };
    return { node: element("label", {}, `${text} `, input, ` ${unit}`), show };
  }

  function setBudget(field, value) {
    budgets[field] = value;
    limit = field;
    ask("budget", { limit, most: value }, "budget");
    schedule();
  }

  // What the controls lead to.
  const sentence = element("p", { class: "lab-sentence", role: "status", "aria-live": "polite" });
  const warnings = element("ul", { class: "lab-warnings", "aria-label": "Warnings" });
  const bar = element("progress", { "aria-label": "Computing" });
  const step = element("span", {});
  const progress = element("div", { class: "lab-progress", hidden: "" }, bar, step,
    button("Leave it", "Leave this setting: back to the last one with figures", () => ask("leave")));
  const table = element("table", { class: "lab-figures", "aria-label": "Figures" });
  const takes = element("small", { class: "lab-note" });
  const pins = element("div", { class: "lab-bar", role: "toolbar", "aria-label": "Compare" },
    button("Pin as A", "Pin this setting as A", () => ask("pin", { which: "A" })),
    button("Pin as B", "Pin this setting as B", () => ask("pin", { which: "B" })),
    button("Back to A", "Back to the setting pinned as A", () => ask("back", { which: "A" })),
    button("Back to B", "Back to the setting pinned as B", () => ask("back", { which: "B" })),
    button("No B", "Compare with A only", () => ask("pin", { which: "no B" })));

  // What to do with them.
  const name = element("input", { type: "text", value: "my-agent", "aria-label": "Name of the profile", size: 14 });
  const file = element("input", { type: "text", value: "my-agent.yaml", "aria-label": "File of the profile", size: 24 });
  const status = element("div", { class: "lab-status", role: "status", "aria-live": "polite" });
  const problem = element("div", { class: "lab-problem", role: "alert" });
  const code = element("textarea", { class: "lab-code", readonly: "", hidden: "", rows: 12, "aria-label": "Code to paste" });
  const files = element("div", { class: "lab-bar", role: "toolbar", "aria-label": "Profile and code" },
    element("label", {}, "name ", name), element("label", {}, "file ", file),
    button("Export", "Export what the controls say as a profile", () => ask("export", { name: name.value, path: file.value })),
    button("Load", "Load a profile into the controls", () => ask("load", { path: file.value })),
    button("Copy Python", "Copy a snippet of Python", () => ask("snippet", { language: "python", name: name.value })),
    button("Copy Node", "Copy a snippet for Node", () => ask("snippet", { language: "node", name: name.value })));
  for (const input of [presetName, name, file, code]) input.addEventListener("keydown", (event) => event.stopPropagation());

  const left = element("div", { class: "lab-left" }, steps, knobs.root, others, progress, problem, sentence, warnings,
    element("div", { class: "lab-scroll", tabindex: "0", role: "region", "aria-label": "Figures of the settings" }, table), takes, pins);
  const right = element("div", { class: "lab-right" },
    element("div", { class: "lab-bar" }, axis, element("span", { class: "lab-where" }, model.get("title"))),
    element("div", { class: "lab-plot" }, plot.canvas), plot.hover, legend, budgetBar);
  root.append(
    element("div", { class: "lab-halves" }, left, right), files, status, code);
  el.append(keepKeys(root));

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      show();
    });
  }

  function show() {
    const [state, scored] = [model.get("controls"), model.get("scored")];
    root.classList.toggle("lab-waiting", requests.busy && root.classList.contains("lab-waiting"));
    root.classList.toggle("lab-old", scored.state !== "exact");
    knobs.show(state, requests.busy ? moving : null);
    undo.disabled = !state.can_undo;
    redo.disabled = !state.can_redo;
    others.textContent = state.others;
    problem.textContent = model.get("problem");
    status.textContent = model.get("said") || (root.classList.contains("lab-silent") ? status.textContent : "");
    sentence.textContent = scored.state === "approximate" ? `About: ${scored.sentence}` : scored.sentence;
    warnings.replaceChildren(...scored.warnings.map((text) => element("li", {}, text)));
    showProgress(model.get("progress"));
    showFigures(scored);
    showBudget();
    showLegend(scored);
    plot.draw();
    root.dataset.drawn = String(model.get("serial"));
    root.dataset.state = scored.state;
  }

  function showProgress(now) {
    progress.hidden = !now.text;
    bar.max = Math.max(1, now.of ?? 1);
    bar.value = now.done ?? 0;
    step.textContent = now.text ? `${now.text} …` : "";
  }

  function showFigures(scored) {
    const heads = ["", ...scored.columns, "n"].map((text, k) =>
      k ? element("th", { scope: "col" }, text) : element("td", {}),
    );
    const lines = scored.rows.map(([figure, ...cells]) =>
      element("tr", {}, element("th", { scope: "row" }, figure), ...cells.map((text) => element("td", {}, text))),
    );
    table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines));
    takes.textContent =
      (scored.takes > 1 ? `Averages over ${scored.takes} takes` : "One take") + ". In brackets: 95 % intervals by recording.";
  }

  function showBudget() {
    const best = model.get("suggested");
    const at = best.limit === "false_boundary_rate" ? percent(best.most) : seconds(best.most);
    suggestion.textContent = `Best at ${at}: ${best.text}`;
    most.show();
    longest.show();
  }

  function showLegend(scored) {
    const names = Object.keys(scored.marks);
    const key = ["frontier", ...names].join("|");
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(...["frontier", ...names].map((one) => {
      const swatch = element("span", { class: "lab-swatch" });
      swatch.style.background = colour(one);
      return element("li", {}, swatch, one === "frontier" ? "best of all (frontier)" : one);
    }));
  }

  function showPresets() {
    const chosen = preset.value;
    preset.replaceChildren(element("option", { value: "" }, "Presets …"),
      ...model.get("presets").map((one) => element("option", { value: one.name }, one.name)));
    preset.value = model.get("presets").some((one) => one.name === chosen) ? chosen : "";
  }

  function copied(content) {
    if (content.kind !== "snippet") return;
    code.value = content.text;
    code.hidden = false;
    const said = (text) => (status.textContent = text);
    const clipboard = navigator.clipboard?.writeText(content.text) ?? Promise.reject(new Error("no clipboard"));
    clipboard.then(() => said("Copied"), () => said("The browser lets nothing be copied by itself: select the code below"));
  }

  const answered = () => {
    requests.answered(model.get("serial"));
    schedule();
  };
  const shown = "change:scored change:controls change:progress change:problem change:said change:suggested";
  model.on(shown, schedule);
  model.on("change:serial", answered);
  model.on("change:presets", showPresets);
  model.on("msg:custom", copied);
  const resized = new ResizeObserver(schedule);
  resized.observe(right);
  const themed = new MutationObserver(schedule);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  showPresets();
  show();
  return () => {
    resized.disconnect();
    themed.disconnect();
    model.off(shown, schedule);
    model.off("change:serial", answered);
    model.off("change:presets", showPresets);
    model.off("msg:custom", copied);
  };
}

export default { render };
