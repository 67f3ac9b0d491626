// What the trade-off knows without a browser: places of settings, what is near a pointer, texts.

export const FIELDS = ["false_boundary_rate", "latency_mean", "latency_p50", "latency_p95"];
const VALUES = FIELDS.length + 1;
export const NEAR_PX = 14;
const LINE_PX = 7;

/** The settings of a sweep, from the bytes that Python sends. */
export function pointsOf(rows, values, codes, knobs) {
  const of = (Type, view) => new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const numbers = of(Float32Array, values);
  return { rows: of(Int32Array, rows), values: numbers, codes: of(Uint16Array, codes), knobs, n: numbers.length / VALUES };
}

export function valueOf(points, k, field) {
  return points.values[k * VALUES + FIELDS.indexOf(field)];
}

/** Whether a setting answers often enough to be chosen. */
export function answers(points, k) {
  return points.values[k * VALUES + FIELDS.length] > 0;
}

/** A setting's knobs in words; idle ones are left out. */
export function knobsOf(points, k) {
  return points.knobs
    .map(({ name, texts }, i) => [name, texts[points.codes[i * points.n + k]]])
    .filter(([, text]) => text)
    .map(([name, text]) => `${name} ${text}`)
    .join(", ");
}

export function percent(rate) {
  return rate === null || Number.isNaN(rate) ? "–" : `${(100 * rate).toFixed(1)} %`;
}

export function seconds(value) {
  return value === null || Number.isNaN(value) ? "–" : Number.isFinite(value) ? `${value.toFixed(2)} s` : "never";
}

export function spoken(points, k) {
  const of = (field) => valueOf(points, k, field);
  const silent = answers(points, k) ? "" : "; leaves too many turns unanswered";
  return (
    `${percent(of("false_boundary_rate"))} cut off, ${seconds(of("latency_mean"))} on average, ` +
    `p95 ${seconds(of("latency_p95"))}${silent}: ${knobsOf(points, k)}`
  );
}

/** Scales for a plot of `width` × `height`: finite settings and marks all lie inside. */
export function frame(points, marks, axis, width, height, margin) {
  let right = 0.1;
  let top = 0.01;
  for (let k = 0; k < points.n; k++) {
    const x = valueOf(points, k, axis);
    if (Number.isFinite(x)) right = Math.max(right, x);
    const y = valueOf(points, k, "false_boundary_rate");
    if (Number.isFinite(y)) top = Math.max(top, y);
  }
  for (const mark of Object.values(marks)) {
    if (mark[axis]?.[0]) right = Math.max(right, mark[axis][0]);
    if (mark.false_boundary_rate?.[0]) top = Math.max(top, mark.false_boundary_rate[0]);
  }
  right *= 1.04;
  top = Math.min(1, top * 1.05);
  const [w, h] = [width - margin.left - margin.right, height - margin.top - margin.bottom];
  return {
    right,
    top,
    x: (value) => margin.left + (Math.min(value, right) / right) * w,
    y: (rate) => margin.top + (1 - Math.min(rate, top) / top) * h,
    valueAt: (px) => Math.min(right, Math.max(0, ((px - margin.left) / w) * right)),
    rateAt: (py) => Math.min(top, Math.max(0, (1 - (py - margin.top) / h) * top)),
  };
}

/** The setting nearest to a pixel, those that answer first; -1 if none is near. */
export function nearest(points, scales, axis, px, py) {
  let best = -1;
  let least = NEAR_PX * NEAR_PX;
  for (let k = 0; k < points.n; k++) {
    if (!answers(points, k)) continue;
    const dx = scales.x(valueOf(points, k, axis)) - px;
    const dy = scales.y(valueOf(points, k, "false_boundary_rate")) - py;
    const distance = dx * dx + dy * dy;
    if (distance < least) [best, least] = [k, distance];
  }
  return best;
}

/** Which budget line a pixel is on: "false_boundary_rate", the axis, or null. */
export function lineAt(scales, budgets, axis, px, py) {
  if (Math.abs(scales.y(budgets.false_boundary_rate) - py) <= LINE_PX) return "false_boundary_rate";
  if (budgets[axis] !== undefined && Math.abs(scales.x(budgets[axis]) - px) <= LINE_PX) return axis;
  return null;
}

/** Round steps for an axis from 0 to `most`: at most `n` of them. */
export function ticks(most, n) {
  const rough = most / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => one >= rough);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, k) => k * step);
}
