// Beat the endpointer: callers are heard one by one, and a key says when their turn is over.

import { answerTimer, element, keepKeys } from "./dom.js";
import { HeardTurn, pressedAt } from "./endpointer_model.js";

const RULES =
  "You hear a caller, and silence where the agent would reply. Press the space bar (or the button) as soon as you think " +
  "that they have finished. In a pause inside their turn, your press cuts them off; each moment after the end, they wait.";
const HANDS =
  "Your wait holds about 0.2 s for ear and hand, and what your sound device delays beyond what the browser knows: " +
  "wired headphones are fair. An endpointer has neither, but it waits for its transcript.";
const BEFORE_S = 0.3;
const PRESSED_MS = 150;

function render({ model, el }) {
  let audio = null;
  let source = null;
  let startedAt = 0;
  let turn = null;
  let handled = false;

  const main = element("button", { type: "button", class: "lab-main" }, "Start");
  const again = element("button", { type: "button", onclick: () => ask("again") }, "Play again, with other turns");
  const where = element("output", { class: "lab-where" });
  const asked = element("p", { class: "lab-asked" });
  const status = element("div", { class: "lab-status", role: "status", "aria-live": "polite" });
  const player = element("audio", { controls: "", "aria-label": "Where you cut in, as the caller would hear it" });
  const cuts = element("div", { class: "lab-bar", role: "group", "aria-label": "Where you cut in" });
  const figures = element("table", { class: "lab-failures", "aria-label": "Your figures" });
  const sentence = element("p", {});
  const picture = element("img", { class: "lab-picture", alt: "The trade-off, with you in it" });
  const result = element("div", { class: "lab-result" }, figures, sentence, picture, element("p", {}, HANDS));
  const root = element("div", { class: "lab-timeline lab-endpointer", role: "group", "aria-label": "Beat the endpointer", tabindex: "0" },
    element("div", { class: "lab-heading" }, "Beat the endpointer"), element("p", {}, RULES),
    element("div", { class: "lab-bar" }, main, again, where), asked, status, cuts, player, result);
  el.append(keepKeys(root));
  const waitingFor = answerTimer((text) => (status.textContent = text));

  function ask(kind, more = {}) {
    model.send({ kind, ...more });
    waitingFor.asked();
  }

  /** The one control: begins a turn, or says that it is over. */
  function act(event) {
    if (source) press(event);
    else if (!turn && model.get("done") < model.get("total")) {
      audio ??= new AudioContext();
      audio.resume();
      player.pause();
      turn = "asked";
      status.textContent = "Loading sound …";
      ask("turn");
    }
  }

  function press(event) {
    const stamp = audio.getOutputTimestamp();
    if (!turn.press(pressedAt(event.timeStamp, stamp, startedAt))) {
      main.classList.add("lab-pressed");
      setTimeout(() => main.classList.remove("lab-pressed"), PRESSED_MS);
      return;
    }
    finish();
  }

  async function begin(content, buffer) {
    const copy = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
    const sound = await audio.decodeAudioData(copy);
    if (!root.isConnected) return;
    turn = new HeardTurn(content);
    asked.textContent = content.asked ? `The agent said: “${content.asked}”` : "";
    status.textContent = "Listen …";
    source = new AudioBufferSourceNode(audio, { buffer: sound });
    source.connect(audio.destination);
    source.onended = finish;
    startedAt = audio.currentTime + BEFORE_S;
    source.start(startedAt);
    draw();
  }

  function finish() {
    if (!source) return;
    source.onended = null;
    source.stop();
    source = null;
    ask("pressed", { number: turn.number, presses_s: turn.pressesS });
    turn = null;
    draw();
  }

  main.addEventListener("pointerdown", (event) => {
    if (!source) return;
    handled = true; // the click that follows belongs to this press
    press(event);
  });
  main.addEventListener("click", (event) => {
    if (!handled) act(event);
    handled = false;
  });
  root.addEventListener("keydown", (event) => {
    const button = event.target.closest("button, audio");
    if (event.key !== " " || (button && button !== main)) return;
    event.preventDefault();
    if (!event.repeat) act(event);
  });
  main.addEventListener("keyup", (event) => {
    if (event.key === " ") event.preventDefault(); // else it is a click as well
  });

  function draw() {
    const [done, total] = [model.get("done"), model.get("total")];
    const over = done === total;
    where.textContent = over ? `all ${total} turns heard` : `turn ${done + 1} of ${total}`;
    main.textContent = source ? "The turn is over (space)" : done ? "Next turn (space)" : "Start (space)";
    main.disabled = over;
    again.hidden = !over;
    if (!source) asked.textContent = "";
    const list = model.get("cuts");
    cuts.replaceChildren(
      ...list.map((cut) =>
        element("button", { type: "button", onclick: () => ask("hear", { number: cut.number }) }, `Hear: ${cut.text}`)),
    );
    if (list.length) cuts.prepend(element("span", {}, "Where you cut in, as the caller would hear it:"));
    player.hidden = !list.length;
    result.hidden = !over;
    if (over) drawResult();
  }

  function drawResult() {
    const line = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, {}, text)));
    figures.replaceChildren(
      element("thead", {}, line("th", ["on the turns you heard", "you", "LiveKit's defaults", "n"])),
      element("tbody", {}, ...model.get("rows").map((row) => line("td", row))),
    );
    sentence.textContent = model.get("sentence");
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/png" }));
  }

  const messaged = (content, buffers) => {
    waitingFor.answered();
    if (content.kind === "turn" && turn === "asked") begin(content, buffers[0]).catch(failed);
    else if (content.kind === "sound") {
      if (player.src) URL.revokeObjectURL(player.src);
      player.src = URL.createObjectURL(new Blob([buffers[0]], { type: "audio/wav" }));
      status.textContent = content.text;
      player.play().catch(failed);
    } else if (content.kind === "problem") failed({ message: content.text });
  };
  function failed(error) {
    turn = null;
    source = null;
    status.textContent = `Can't play: ${error.message}`;
    draw();
  }
  const answered = () => {
    waitingFor.answered();
    status.textContent = model.get("told");
    draw();
  };
  model.on("msg:custom", messaged);
  model.on("change:done change:rows change:picture", answered);
  draw();
  return () => {
    model.off("msg:custom", messaged);
    model.off("change:done change:rows change:picture", answered);
    waitingFor.answered();
    if (source) source.stop();
    audio?.close();
    for (const one of [player, picture]) if (one.src) URL.revokeObjectURL(one.src);
  };
}

export default { render };
