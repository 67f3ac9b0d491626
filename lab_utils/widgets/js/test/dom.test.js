import assert from "node:assert/strict";
import { test } from "node:test";
import { answerTimer } from "../src/dom.js";

test("an answer that doesn't come is told, one that comes isn't", async () => {
  const told = [];
  const timer = answerTimer((text) => told.push(text), 20);
  timer.asked();
  timer.answered();
  await new Promise((done) => setTimeout(done, 60));
  assert.deepEqual(told, []);
  timer.asked();
  timer.asked();
  await new Promise((done) => setTimeout(done, 60));
  assert.equal(told.length, 1);
  assert.match(told[0], /run the cell again/);
  timer.answered();
  assert.deepEqual(told.slice(1), [""]);
});
