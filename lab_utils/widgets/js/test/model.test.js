import assert from "node:assert/strict";
import { test } from "node:test";
import { actionOf, clock, isBright, near, peaksOf, probabilitiesOf, scale, spokenCommit, stepTo, visible } from "../src/model.js";

test("peaks come channel after channel", () => {
  const bytes = new Uint8Array(new Int8Array([127, -127, 0, 64]).buffer);
  const [user, agent] = peaksOf(new DataView(bytes.buffer), 2);
  assert.deepEqual([...user], [1, -1]);
  assert.equal(agent[0], 0);
  assert.ok(Math.abs(agent[1] - 64 / 127) < 1e-6);
});

test("probabilities are read at an offset into a larger buffer", () => {
  const bytes = new Uint8Array([9, 9, 0, 255]);
  assert.deepEqual([...probabilitiesOf(new DataView(bytes.buffer, 2))], [0, 1]);
});

test("times have their place in what is shown", () => {
  const place = scale(10, 20, 500);
  assert.equal(place(10), 0);
  assert.equal(place(15), 250);
});

test("only what touches the shown stretch is drawn", () => {
  assert.deepEqual(visible(100, 0.032, 0.032, 1.0, 2.0), [30, 63]);
  assert.deepEqual(visible(100, 0, 1, 500, 600), [500, 500]);
  assert.deepEqual(visible(100, 0, 1, -5, 1000), [0, 100]);
});

test("stepping passes the mark it stands on", () => {
  const times = [1, 2, 3];
  assert.equal(stepTo(times, 2, 1), 3);
  assert.equal(stepTo(times, 2, -1), 1);
  assert.equal(stepTo(times, 3, 1), undefined);
  assert.equal(stepTo([], 0, 1), undefined);
});

test("times are written as people write them", () => {
  assert.equal(clock(75.25), "1:15.3");
  assert.equal(clock(59.96), "1:00.0");
  assert.equal(clock(3723), "1:02:03.0");
});

test("a commit is told in words", () => {
  const commit = { time_s: 3.2, is_false: true, cause: "max_delay", probability: 0.1234, latency_s: null };
  assert.equal(spokenCommit(commit), "False boundary at 0:03.2, by max_delay, probability 0.12");
});

test("keys act, but not those of the browser", () => {
  const key = (name, more = {}) => ({ key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });
  assert.deepEqual(actionOf(key("ArrowLeft", { shiftKey: true })), { name: "skip", seconds: -0.1 });
  assert.deepEqual(actionOf(key("n")), { name: "failure", step: 1 });
  assert.equal(actionOf(key("n", { ctrlKey: true })), undefined);
  assert.equal(actionOf(key("x")), undefined);
});

test("bright and dark colours are told apart", () => {
  assert.equal(isBright("rgb(255, 255, 255)"), true);
  assert.equal(isBright("rgba(230, 230, 230, 0.9)"), true);
  assert.equal(isBright("rgb(33, 33, 33)"), false);
  assert.equal(isBright("transparent"), false);
});

test("only labels near what is shown are regions, and none if they are too many", () => {
  const spans = Array.from({ length: 100 }, (_, k) => ({ start_s: 10 * k, end_s: 10 * k + 1 }));
  assert.deepEqual(near(spans, 500, 510, 50).map((one) => one.start_s), [490, 500, 510, 520]);
  assert.equal(near(spans, 0, 1000, 50).length, 0);
  assert.equal(near(spans, 0, 1000, 100).length, 100);
});
