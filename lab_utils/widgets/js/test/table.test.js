import assert from "node:assert/strict";
import { test } from "node:test";
import { filtered, sorted } from "../src/table.js";

const rows = [
  { number: 0, recording: "call 10", cause: "detector", probability: 0.4 },
  { number: 1, recording: "call 2", cause: "max_delay", probability: null },
  { number: 2, recording: "call 2", cause: "detector", probability: 0.9 },
];
const numbers = (found) => found.map((row) => row.number);

test("every word of a filter must occur", () => {
  assert.deepEqual(numbers(filtered(rows, "DETECTOR call 2")), [2]);
  assert.deepEqual(numbers(filtered(rows, "")), [0, 1, 2]);
});

test("numbers in names count as numbers, equals stay in order", () => {
  assert.deepEqual(numbers(sorted(rows, "recording", false)), [1, 2, 0]);
  assert.deepEqual(numbers(sorted(rows, "recording", true)), [0, 1, 2]);
});

test("what is missing comes last either way", () => {
  assert.deepEqual(numbers(sorted(rows, "probability", false)), [0, 2, 1]);
  assert.deepEqual(numbers(sorted(rows, "probability", true)), [2, 0, 1]);
});
