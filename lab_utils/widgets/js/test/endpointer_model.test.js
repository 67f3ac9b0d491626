import assert from "node:assert/strict";
import { test } from "node:test";
import { HeardTurn, pressedAt } from "../src/endpointer_model.js";

test("a press is placed by what has left the loudspeaker, not by what was sent to it", () => {
  const stamp = { contextTime: 12.0, performanceTime: 50_000 }; // device delay is in here
  assert.equal(pressedAt(50_250, stamp, 10.0), 2.25);
  assert.equal(pressedAt(49_875, stamp, 10.0), 1.875); // an event that waited before it was handled
});

test("a turn ends with the first press after its end, and takes no more", () => {
  const turn = new HeardTurn({ number: 3, lead_s: 0.5, end_s: 2.0 });
  assert.equal(turn.press(1.5), false);
  assert.equal(turn.press(2.25), false);
  assert.equal(turn.press(2.5), true);
  assert.equal(turn.press(3.0), true);
  assert.deepEqual(turn.pressesS, [1.0, 1.75, 2.0]);
});
