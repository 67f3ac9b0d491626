import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, frame, knobsOf, lineAt, nearest, percent, pointsOf, seconds, spoken, ticks, valueOf } from "../src/tradeoff_model.js";

const view = (array) => new DataView(array.buffer);
const points = pointsOf(
  view(Int32Array.of(7, 3, 9)),
  view(Float32Array.of(0.25, 1, 0.5, 2, 1, 0.5, 0.5, 0.5, 1, 1, 0.125, 3, 3, Infinity, 0)),
  view(Uint16Array.of(0, 1, 0, 1, 0, 0)),
  [{ name: "detector", texts: ["vad", "v1-mini"] }, { name: "max_delay", texts: ["", "2.5"] }],
);
const margin = { left: 0, right: 0, top: 0, bottom: 0 };

test("bytes are settings again", () => {
  assert.equal(points.n, 3);
  assert.equal(valueOf(points, 1, "latency_p95"), 1);
  assert.equal(answers(points, 2), false);
  assert.equal(knobsOf(points, 0), "detector vad, max_delay 2.5");
  assert.equal(knobsOf(points, 1), "detector v1-mini");
  assert.equal(spoken(points, 2), "12.5 % cut off, 3.00 s on average, p95 never; leaves too many turns unanswered: detector vad");
});

test("places and values are each other's inverse, and marks lie inside", () => {
  const scales = frame(points, { now: { latency_mean: [5, null, null], false_boundary_rate: [0.6, null, null] } }, "latency_mean", 400, 200, margin);
  assert.ok(scales.right > 5 && scales.top > 0.6);
  assert.ok(Math.abs(scales.valueAt(scales.x(1.5)) - 1.5) < 1e-9);
  assert.ok(Math.abs(scales.rateAt(scales.y(0.2)) - 0.2) < 1e-9);
});

test("the nearest setting that answers is found, and only near", () => {
  const scales = frame(points, {}, "latency_mean", 400, 200, margin);
  const [x, y] = [scales.x(1), scales.y(0.25)];
  assert.equal(nearest(points, scales, "latency_mean", x + 5, y - 5), 0);
  assert.equal(nearest(points, scales, "latency_mean", x + 40, y), -1);
  assert.equal(nearest(points, scales, "latency_mean", scales.x(3), scales.y(0.125)), -1);
});

test("budget lines are caught near them", () => {
  const scales = frame(points, {}, "latency_mean", 400, 200, margin);
  const budgets = { false_boundary_rate: 0.1, latency_mean: 2 };
  assert.equal(lineAt(scales, budgets, "latency_mean", 5, scales.y(0.1) + 3), "false_boundary_rate");
  assert.equal(lineAt(scales, budgets, "latency_mean", scales.x(2) - 3, 20), "latency_mean");
  assert.equal(lineAt(scales, { false_boundary_rate: 0.1 }, "latency_mean", scales.x(2), 20), null);
});

test("ticks are round", () => {
  assert.deepEqual(ticks(1, 5).map((one) => +one.toFixed(3)), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(6.2, 7), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(percent(null), "–");
  assert.equal(seconds(Infinity), "never");
});
