// Record yourself: one turn from the browser's microphone, which Python keeps as a recording.

import { answerTimer, element, keepKeys } from "./dom.js";

const TASK =
  "Speak one turn, as on the telephone: your name, then a telephone number, with a moment to think in between. Be silent for two " +
  "seconds at the end. It stays on this machine.";
const LONGEST_MS = 60_000;
const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };

function render({ model, el }) {
  let recorder = null;
  let timer = null;

  const button = element("button", { type: "button", class: "lab-main", onclick: toggle }, "Record");
  const player = element("audio", { controls: "", "aria-label": "What you recorded" });
  const status = element("div", { class: "lab-status", role: "status", "aria-live": "polite" });
  const root = element("div", { class: "lab-timeline lab-recorder", role: "group", "aria-label": "Record yourself" },
    element("div", { class: "lab-heading" }, "Record yourself"), element("p", {}, TASK),
    element("div", { class: "lab-bar" }, button, player), status);
  player.hidden = true;
  el.append(keepKeys(root));
  const waitingFor = answerTimer((text) => (status.textContent = text));

  async function toggle() {
    if (recorder) return recorder.stop();
    try {
      if (!navigator.mediaDevices) throw new Error("the browser gives one to pages of this machine or of https only");
      const stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
      start(stream);
    } catch (error) {
      const instead = model.get("sample") ? " What follows uses the sample." : "";
      status.textContent = `No microphone: ${error.message}.${instead}`;
    }
  }

  function start(stream) {
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = async () => {
      clearTimeout(timer);
      for (const track of stream.getTracks()) track.stop();
      const sound = new Blob(parts, { type: recorder.mimeType });
      recorder = null;
      button.textContent = "Record again";
      status.textContent = "Looking for pauses …";
      if (player.src) URL.revokeObjectURL(player.src);
      player.src = URL.createObjectURL(sound);
      player.hidden = false;
      model.send({ kind: "recorded", mime: sound.type }, undefined, [await sound.arrayBuffer()]);
      waitingFor.asked();
    };
    recorder.start();
    timer = setTimeout(() => recorder?.stop(), LONGEST_MS);
    button.textContent = "Stop";
    status.textContent = "Recording, for a minute at most …";
  }

  const told = () => (status.textContent = model.get("said"));
  const messaged = () => {
    waitingFor.answered();
    told();
  };
  model.on("change:said", told);
  model.on("msg:custom", messaged);
  told();
  return () => {
    model.off("change:said", told);
    model.off("msg:custom", messaged);
    waitingFor.answered();
    clearTimeout(timer);
    if (recorder) {
      recorder.onstop = null;
      for (const track of recorder.stream.getTracks()) track.stop();
    }
    if (player.src) URL.revokeObjectURL(player.src);
  };
}

export default { render };
