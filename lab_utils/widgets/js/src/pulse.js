// Asks Python for a sign of life whenever its panel is used, and says so if none comes.
//
// For panels of plain ipywidgets, which say nothing of themselves when their kernel is gone.

import { answerTimer, element } from "./dom.js";

export const PANEL = "lab-panel";

function render({ model, el }) {
  const status = element("div", { class: "lab-problem", role: "alert" });
  el.append(status);
  const timer = answerTimer((text) => (status.textContent = text));
  const used = (event) => {
    const mine = el.closest(`.${PANEL}`);
    if (!mine || event.target.closest?.(`.${PANEL}`) !== mine) return;
    model.send({ kind: "ask" });
    timer.asked();
  };
  model.on("msg:custom", timer.answered);
  const kinds = ["click", "change"];
  for (const kind of kinds) document.addEventListener(kind, used, true);
  return () => {
    for (const kind of kinds) document.removeEventListener(kind, used, true);
    model.off("msg:custom", timer.answered);
    timer.answered();
  };
}

export default { render };
