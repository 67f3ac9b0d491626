// The trade-off on a canvas: every setting a dot; hover, click, walk along the frontier, drag the budgets.

import { element } from "./dom.js";
import { answers, frame, lineAt, nearest, percent, seconds, spoken, ticks, valueOf } from "./tradeoff_model.js";

const MARGIN = { left: 46, right: 12, top: 10, bottom: 38 };
const HEIGHT = 380;
const SHAPES = { "LiveKit's defaults": "diamond", chosen: "star", A: "A", B: "B", now: "now" };
const DOT = "#8c8c8c"; // seen on light and dark paper

/** `view`: points, axis(), marks(), colour(name), old() if the figures aren't current, frontier(), budgets(), take(k), budget(field, value). */
export function tradeoff(view) {
  const canvas = element("canvas", { class: "lab-tradeoff", tabindex: "0", role: "application" });
  canvas.setAttribute("aria-roledescription", "trade-off plot");
  const hover = element("output", { class: "lab-hover", "aria-live": "polite" });
  const still = document.createElement("canvas");
  let stillOf = "";
  let scales = null;
  let pointed = -1;
  let dragged = null;

  function sized() {
    const width = Math.max(260, canvas.parentElement?.clientWidth ?? 600);
    const ratio = window.devicePixelRatio || 1;
    for (const one of [canvas, still]) {
      const [w, h] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
      if (one.width !== w || one.height !== h) [one.width, one.height] = [w, h];
    }
    canvas.style.height = `${HEIGHT}px`;
    return [width, ratio];
  }

  function draw() {
    const [width, ratio] = sized();
    const style = getComputedStyle(canvas);
    const axis = view.axis();
    const ink = { text: style.color, paper: view.paper() };
    const key = [width, ratio, axis, ink.text, ink.paper, Object.keys(view.marks()).join()].join("|");
    if (key !== stillOf) {
      scales = frame(view.points, view.marks(), axis, width, HEIGHT, MARGIN);
      const under = still.getContext("2d");
      under.setTransform(ratio, 0, 0, ratio, 0, 0);
      drawStill(under, width, axis, ink);
      stillOf = key;
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(still, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawBudgets(context, width, axis, ink);
    for (const [name, mark] of Object.entries(view.marks())) if (name !== "now") drawMark(context, name, mark, axis, ink);
    const now = view.marks().now;
    if (now) {
      context.globalAlpha = view.old() ? 0.4 : 1;
      drawMark(context, "now", now, axis, ink);
      context.globalAlpha = 1;
      canvas.setAttribute("aria-label",
        `Trade-off of ${view.points.n} settings. Now ${percent(now.false_boundary_rate[0])} cut off, ` +
        `${seconds(now[axis][0])}. Left and right arrows walk along the best settings, Enter takes one.`);
    }
    if (pointed >= 0) ring(context, place(pointed, axis), ink.text);
    canvas.dataset.pointed = pointed >= 0 ? place(pointed, axis).join() : "";
    canvas.dataset.budget = String(scales.y(view.budgets().false_boundary_rate));
  }

  const place = (k, axis) => [scales.x(valueOf(view.points, k, axis)), scales.y(valueOf(view.points, k, "false_boundary_rate"))];

  function drawStill(context, width, axis, ink) {
    context.fillStyle = ink.paper;
    context.fillRect(0, 0, width, HEIGHT);
    drawAxes(context, width, axis, ink);
    context.fillStyle = DOT;
    for (let k = 0; k < view.points.n; k++) {
      if (!Number.isFinite(valueOf(view.points, k, axis))) continue;
      context.globalAlpha = answers(view.points, k) ? 0.55 : 0.15;
      const [x, y] = place(k, axis);
      context.fillRect(x - 1.25, y - 1.25, 2.5, 2.5);
    }
    context.globalAlpha = 1;
    context.strokeStyle = context.fillStyle = view.colour("frontier");
    context.lineWidth = 1.6;
    context.beginPath();
    let before = null;
    for (const k of view.frontier()) {
      const [x, y] = place(k, axis);
      if (before) context.lineTo(x, before[1]);
      else context.moveTo(x, y);
      context.lineTo(x, y);
      before = [x, y];
    }
    context.stroke();
    for (const k of view.frontier()) dot(context, place(k, axis), 2.6);
  }

  function drawAxes(context, width, axis, ink) {
    context.fillStyle = context.strokeStyle = ink.text;
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    const [left, bottom] = [MARGIN.left, HEIGHT - MARGIN.bottom];
    context.globalAlpha = 0.2;
    for (const rate of ticks(scales.top, 6)) line(context, left, scales.y(rate), width - MARGIN.right, scales.y(rate));
    for (const value of ticks(scales.right, 7)) line(context, scales.x(value), MARGIN.top, scales.x(value), bottom);
    context.globalAlpha = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const rate of ticks(scales.top, 6)) context.fillText(`${+(100 * rate).toFixed(1)} %`, left - 5, scales.y(rate));
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const value of ticks(scales.right, 7)) context.fillText(`${+value.toFixed(2)}`, scales.x(value), bottom + 5);
    context.fillText(view.axisName(), (left + width - MARGIN.right) / 2, bottom + 20);
    context.save();
    context.translate(10, (MARGIN.top + bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = "middle";
    context.restore();
    context.textAlign = "left";
    context.fillText("callers cut off (per hold)", left + 4, MARGIN.top + 2);
  }

  function drawBudgets(context, width, axis, ink) {
    const budgets = view.budgets();
    context.strokeStyle = ink.text;
    context.setLineDash([6, 4]);
    const y = scales.y(budgets.false_boundary_rate);
    line(context, MARGIN.left, y, width - MARGIN.right, y);
    if (budgets[axis] !== undefined) {
      const x = scales.x(budgets[axis]);
      line(context, x, MARGIN.top, x, HEIGHT - MARGIN.bottom);
    }
    context.setLineDash([]);
  }

  function drawMark(context, name, mark, axis, ink) {
    const [value, low, high] = mark[axis];
    const [rate, least, most] = mark.false_boundary_rate;
    if (rate === null) return;
    const [x, y] = [scales.x(value ?? scales.right), scales.y(rate)];
    context.strokeStyle = view.colour(name);
    context.lineWidth = 1.5;
    if (low !== null && high !== null) line(context, scales.x(low), y, scales.x(high), y);
    if (least !== null && most !== null) line(context, x, scales.y(least), x, scales.y(most));
    context.fillStyle = view.colour(name);
    context.strokeStyle = ink.text;
    context.lineWidth = 1;
    shape(context, SHAPES[name] ?? "square", x, y);
  }

  function inCanvas(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function show(k) {
    pointed = k;
    hover.textContent = k >= 0 ? spoken(view.points, k) : view.hint;
    draw();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!scales) return;
    const at = inCanvas(event);
    dragged = nearest(view.points, scales, view.axis(), ...at) >= 0 && !event.shiftKey && lineAt(scales, view.budgets(), view.axis(), ...at) === null
      ? null : lineAt(scales, view.budgets(), view.axis(), ...at);
    if (dragged) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!scales) return;
    const [px, py] = inCanvas(event);
    if (dragged) {
      const field = dragged === "false_boundary_rate";
      view.budget(dragged, field ? scales.rateAt(py) : scales.valueAt(px));
      return;
    }
    const k = nearest(view.points, scales, view.axis(), px, py);
    const on = lineAt(scales, view.budgets(), view.axis(), px, py);
    canvas.style.cursor = on === "false_boundary_rate" ? "ns-resize" : on ? "ew-resize" : k >= 0 ? "pointer" : "default";
    if (k !== pointed) show(k);
  });
  canvas.addEventListener("pointerup", (event) => {
    const was = dragged;
    dragged = null;
    if (was || !scales) return;
    const k = nearest(view.points, scales, view.axis(), ...inCanvas(event));
    if (k >= 0) view.take(k);
  });
  canvas.addEventListener("pointerleave", () => {
    if (!dragged) show(-1);
  });
  canvas.addEventListener("keydown", (event) => {
    const best = view.frontier();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && best.length) {
      const at = best.indexOf(pointed);
      show(best[at < 0 ? (step > 0 ? 0 : best.length - 1) : Math.min(best.length - 1, Math.max(0, at + step))]);
    } else if (event.key === "Enter" && pointed >= 0) view.take(pointed);
    else if (event.key === "Escape") show(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("blur", () => show(-1));
  hover.textContent = view.hint;
  return { canvas, hover, draw, place: (k) => place(k, view.axis()) };
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function dot(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function ring(context, [x, y], colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 7, 0, 2 * Math.PI);
  context.stroke();
}

function shape(context, what, x, y) {
  context.beginPath();
  if (what === "diamond") polygon(context, x, y, 4, 7.5, 7.5, 0);
  else if (what === "square") polygon(context, x, y, 4, 8, 8, Math.PI / 4);
  else if (what === "star") polygon(context, x, y, 10, 10, 4.5, -Math.PI / 2);
  else context.arc(x, y, what === "now" ? 7 : 8.5, 0, 2 * Math.PI);
  context.closePath();
  context.fill();
  context.stroke();
  if (what === "A" || what === "B") {
    context.fillStyle = "#000000";
    context.font = "bold 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(what, x, y + 0.5);
  }
}

function polygon(context, x, y, corners, outer, inner, turned) {
  for (let k = 0; k < corners; k++) {
    const angle = turned + (2 * Math.PI * k) / corners;
    const radius = k % 2 ? inner : outer;
    context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
}
