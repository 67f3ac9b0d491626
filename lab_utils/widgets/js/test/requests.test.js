import assert from "node:assert/strict";
import { test } from "node:test";
import { Requests } from "../src/requests.js";

function made() {
  const sent = [];
  const timers = [];
  const silent = [];
  const requests = new Requests((one) => sent.push(one), {
    timer: (call) => timers.push(call),
    silent: (yes) => silent.push(yes),
  });
  return { sent, timers, silent, requests };
}

test("of moves that wait only the last is sent", () => {
  const { sent, requests } = made();
  for (let k = 0; k < 100; k++) requests.ask({ kind: "move", value: k }, "move a");
  assert.deepEqual(sent.map((one) => one.value), [0]);
  requests.answered(sent[0].serial);
  assert.deepEqual(sent.map((one) => one.value), [0, 99]);
  requests.answered(sent[1].serial);
  assert.equal(sent.length, 2);
  assert.equal(requests.busy, false);
});

test("moves of other controls, and clicks, keep their order and are not lost", () => {
  const { sent, requests } = made();
  requests.ask({ kind: "first" });
  requests.ask({ kind: "move a1" }, "a");
  requests.ask({ kind: "move b1" }, "b");
  requests.ask({ kind: "undo" });
  requests.ask({ kind: "move a2" }, "a");
  requests.ask({ kind: "undo" });
  while (requests.busy) requests.answered(sent.at(-1).serial);
  assert.deepEqual(sent.map((one) => one.kind), ["first", "move b1", "undo", "move a2", "undo"]);
});

test("another view's answers change nothing", () => {
  const { sent, requests } = made();
  requests.ask({ kind: "one" });
  requests.ask({ kind: "two" });
  requests.answered(sent[0].serial + 1);
  assert.equal(sent.length, 1);
});

test("a kernel that doesn't answer is told, and told off when it does", () => {
  const { sent, timers, silent, requests } = made();
  requests.ask({ kind: "one" });
  timers[0]();
  assert.deepEqual(silent, [true]);
  requests.answered(sent[0].serial);
  assert.deepEqual(silent, [true, false]);
  requests.ask({ kind: "two" });
  requests.answered(sent[1].serial);
  timers[1]();
  assert.deepEqual(silent, [true, false, false]);
});
