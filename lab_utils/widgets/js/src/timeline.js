// The timeline of one recording: waveforms, labels, words, probabilities and commits, seen and heard.
//
// Python sends peaks, not samples; sound comes when it is first played. Zoom and scroll need no kernel.

import WaveSurfer from "wavesurfer.js";
import Minimap from "wavesurfer.js/plugins/minimap";
import Regions from "wavesurfer.js/plugins/regions";
import Ruler from "wavesurfer.js/plugins/timeline";
import { actionOf, clock, isBright, near, peaksOf, probabilitiesOf, spokenCommit, stepTo } from "./model.js";
import { answerTimer, element, keepKeys } from "./dom.js";
import { editBar } from "./edit_bar.js";
import { HEIGHT, drawTracks } from "./tracks.js";

const MOST_PX_PER_S = 2000;
const PX_PER_LETTER = 7;
const MOST_REGIONS = 200;
const LABEL_STYLE =
  "display:block;overflow:hidden;white-space:nowrap;font-size:11px;padding:0 2px;pointer-events:none";
// The waveform lies in a shadow root, where the style sheet of the widget doesn't reach.
const KEYS =
  "space: play or pause; arrows: 1 s (with shift 0.1 s); n, p: next and previous failure; " +
  "], [: next and previous label; +, -, 0: zoom";

function themeOf(node, colours) {
  const style = getComputedStyle(node);
  const vad = isBright(style.color) ? colours.user : colours.vad; // on a dark ground the deep blue is hard to see
  return { ...colours, vad, text: style.color, faint: `color-mix(in srgb, ${style.color} 55%, transparent)` };
}

function render({ model, el }) {
  const root = element("div", { class: "lab-timeline", tabindex: "0", role: "group" });
  const heading = element("div", { class: "lab-heading" });
  const waves = element("div", { class: "lab-waves" });
  const tracks = element("canvas", { class: "lab-tracks", role: "img" });
  tracks.style.height = `${HEIGHT}px`;
  const picture = element("canvas", { class: "lab-spectrogram", hidden: "", role: "img" });
  picture.setAttribute("aria-label", "Spectrogram of what is shown, 0 to 8 kHz");
  const where = element("output", { class: "lab-where" });
  const status = element("div", { class: "lab-status", role: "status", "aria-live": "polite" });
  const play = element("button", { type: "button", title: "Play or pause (space)" }, "Play");
  const bar = element("div", { class: "lab-bar", role: "toolbar", "aria-label": "Timeline" });
  const legend = element("ul", { class: "lab-legend", "aria-label": "Legend" });
  root.append(heading, bar, waves, tracks, picture, legend, status);
  el.append(keepKeys(root));
  const audio = new Audio();
  const regions = Regions.create();
  const drawn = new Map(); // label's number → its region
  let data = dataOf(model);
  let shown = [0, data.duration_s];
  let waiting = null; // what to play once the sound has come
  let stopAt = null;
  const waitingFor = answerTimer((text) => (status.textContent = text));

  const peaks = peaksOf(model.get("peaks"), data.channels.length);
  const surfer = WaveSurfer.create({
    container: waves,
    media: audio,
    peaks,
    duration: data.duration_s,
    height: 64,
    splitChannels: data.channels.map((_, k) => ({
      waveColor: k === 0 ? model.get("colours").user : model.get("colours").agent,
      progressColor: k === 0 ? model.get("colours").user : model.get("colours").agent,
    })),
    cursorColor: model.get("colours").failure,
    cursorWidth: 2,
    autoScroll: true,
    autoCenter: false,
    dragToSeek: true,
    plugins: [
      regions,
      Ruler.create({ height: 18 }),
      Minimap.create({ height: 24, waveColor: "#999999", progressColor: "#999999", overlayColor: "rgba(0,114,178,0.2)" }),
    ],
  });

  function dataOf(from) {
    const vad = from.get("vad");
    return {
      duration_s: from.get("duration_s"),
      channels: from.get("channels"),
      words: from.get("words"),
      commits: from.get("commits"),
      labels: from.get("labels"),
      threshold: from.get("threshold"),
      vad: { ...from.get("vad_scale"), values: probabilitiesOf(vad) },
    };
  }

  function draw() {
    drawRegions();
    const theme = themeOf(root, model.get("colours"));
    drawTracks(tracks, data, shown[0], shown[1], theme);
    const perSecond = surfer.getWidth() / Math.max(shown[1] - shown[0], 1e-9);
    for (const region of regions.getRegions()) {
      const name = region.content;
      if (!name) continue;
      const room = (region.end - region.start) * perSecond;
      name.style.visibility = room > PX_PER_LETTER * name.textContent.length ? "visible" : "hidden";
    }
  }

  /** The labels near what is shown as regions: laying out thousands takes minutes, and all are in the strip below. */
  function drawRegions() {
    const wanted = new Map(near(data.labels, shown[0], shown[1], MOST_REGIONS).map((label) => [label.number, label]));
    for (const [number, region] of drawn) {
      if (wanted.has(number)) continue;
      region.remove();
      drawn.delete(number);
    }
    for (const label of wanted.values()) {
      if (drawn.has(label.number)) continue;
      const name = element("span", { style: LABEL_STYLE }, label.name);
      name.title = label.reason ? `${label.name}: ${label.reason}` : label.name;
      const region = regions.addRegion({
        id: String(label.number),
        start: label.start_s,
        end: label.end_s,
        color: label.colour,
        content: name,
        drag: model.get("editable"),
        resize: model.get("editable"),
      });
      drawn.set(label.number, region);
      mark(label.number, region);
      region.element?.setAttribute("role", "group");
      region.element?.setAttribute("aria-label", `${label.name} at ${clock(label.start_s)}`);
    }
  }

  /** The selected label has a frame. */
  function mark(number, region) {
    if (!region.element) return;
    const mine = number === model.get("selected");
    region.element.style.boxShadow = mine ? `inset 0 0 0 2px ${getComputedStyle(root).color}` : "";
    if (mine) region.element.setAttribute("aria-current", "true");
    else region.element.removeAttribute("aria-current");
  }

  function drawLabels() {
    regions.clearRegions();
    drawn.clear();
    draw();
  }

  function tell() {
    heading.textContent = model.get("title");
    root.setAttribute("aria-label", `Timeline of ${model.get("title")}. Keys: ${KEYS}`);
    const failures = data.commits.filter((commit) => commit.is_false).length;
    tracks.setAttribute(
      "aria-label",
      `Words, probabilities and ${data.commits.length} commits, ${failures} of them false boundaries`,
    );
  }

  function drawLegend() {
    const kinds = new Map(data.labels.map((label) => [label.name, label.colour]));
    const colours = model.get("colours");
    const commits = [
      ["commit", "background:currentcolor;width:2px"],
      ["× false boundary", `background:${colours.failure};width:3px`],
    ];
    const items = [
      ...data.channels.map((one) => [one === "user" ? "caller" : one, `background:${colours[one]};height:4px`]),
      ...[...kinds].map(([name, colour]) => [name, `background:${colour};outline:1px solid ${colour}`]),
      ...(model.get("editable") ? [] : commits),
      ["VAD probability, dashed and dotted its thresholds", `background:${themeOf(root, colours).vad};height:2px`],
    ];
    if (data.threshold !== null && !model.get("editable")) {
      items.push(["● end-of-turn probability, line its threshold", `background:${colours.detector};height:2px`]);
    }
    legend.replaceChildren(
      ...items.map(([name, style]) =>
        element("li", {}, element("span", { class: "lab-swatch", style, "aria-hidden": "true" }), name),
      ),
    );
  }

  function at() {
    return surfer.getCurrentTime();
  }

  function goTo(seconds, text = "") {
    const time = Math.min(Math.max(0, seconds), data.duration_s);
    surfer.setTime(time);
    if (time < shown[0] || time > shown[1]) surfer.setScrollTime(Math.max(0, time - (shown[1] - shown[0]) / 3));
    where.textContent = `${clock(time)} of ${clock(data.duration_s)}`;
    if (text) status.textContent = text;
    model.set("position_s", time);
    model.save_changes();
  }

  function start(from, to) {
    stopAt = to ?? null;
    if (from !== undefined) goTo(from);
    if (audio.src) {
      surfer.play().catch((error) => (status.textContent = `Can't play: ${error.message}`));
      return;
    }
    waiting = at();
    status.textContent = "Loading sound …";
    model.send({ kind: "sound" });
    waitingFor.asked();
  }

  function zoom(factor) {
    const width = surfer.getWidth();
    const now = width / (shown[1] - shown[0]);
    const next = Math.min(Math.max(now * factor, width / data.duration_s), MOST_PX_PER_S);
    const middle = at() >= shown[0] && at() <= shown[1] ? at() : (shown[0] + shown[1]) / 2;
    surfer.zoom(next);
    surfer.setScrollTime(Math.max(0, middle - width / next / 2));
  }

  function show(from, to) {
    const width = surfer.getWidth();
    const perSecond = Math.min(width / Math.max(to - from, 0.05), MOST_PX_PER_S);
    surfer.zoom(perSecond);
    surfer.setScrollTime(Math.max(0, from));
  }

  function step(name, by) {
    if (name === "failure") {
      const failures = data.commits.filter((commit) => commit.is_false);
      const next = stepTo(failures.map((one) => one.time_s), at(), by);
      const found = failures.find((one) => one.time_s === next);
      if (!found) status.textContent = by > 0 ? "No later failure" : "No earlier failure";
      else goTo(found.time_s, spokenCommit(found));
      return;
    }
    const next = stepTo(data.labels.map((one) => one.start_s), at(), by);
    const found = data.labels.find((one) => one.start_s === next);
    if (!found) status.textContent = by > 0 ? "No later label" : "No earlier label";
    else {
      const length = (found.end_s - found.start_s).toFixed(2);
      goTo(found.start_s, `${found.name}, ${length} seconds, at ${clock(found.start_s)}`);
    }
  }

  function act(action) {
    if (action.name === "play") surfer.isPlaying() ? surfer.pause() : start();
    else if (action.name === "skip") goTo(at() + action.seconds);
    else if (action.name === "seek") goTo(action.seconds);
    else if (action.name === "zoom") zoom(action.factor);
    else if (action.name === "fit") surfer.zoom(0);
    else step(action.name, action.step);
  }

  function button(text, title, action) {
    const name = `${text}: ${title}`;
    return element("button", { type: "button", title, "aria-label": name, onclick: () => act(action) }, text);
  }

  play.addEventListener("click", () => act({ name: "play" }));
  const spectrum = element("button", { type: "button", "aria-pressed": "false" }, "Spectrogram");
  spectrum.addEventListener("click", () => {
    const wanted = picture.hidden;
    picture.hidden = !wanted;
    spectrum.setAttribute("aria-pressed", String(wanted));
    if (wanted) askSpectrogram();
  });
  const failures = [
    button("‹ failure", "Previous failure (p)", { name: "failure", step: -1 }),
    button("failure ›", "Next failure (n)", { name: "failure", step: 1 }),
  ];
  bar.append(
    play,
    ...(model.get("editable") ? [] : failures), // whoever labels is not told what a setting makes of it
    button("‹ label", "Previous label ([)", { name: "label", step: -1 }),
    button("label ›", "Next label (])", { name: "label", step: 1 }),
    button("−", "Zoom out (-)", { name: "zoom", factor: 0.5 }),
    button("+", "Zoom in (+)", { name: "zoom", factor: 2 }),
    button("Fit", "Show all (0)", { name: "fit" }),
    spectrum,
    where,
  );

  if (model.get("editable")) {
    root.insertBefore(
      editBar(model, {
        position: at,
        label: () => data.labels.find((one) => one.number === model.get("selected")),
        choose: (label) => {
          model.set("selected", label.number);
          model.save_changes();
          show(label.start_s - 3, label.end_s + 3);
          goTo(label.start_s, `${label.name}, ${(label.end_s - label.start_s).toFixed(2)} seconds: ${label.reason}`);
        },
        labels: () => data.labels,
        hear: (label) => start(Math.max(0, label.start_s - 2), label.end_s + 2),
        tell: (text) => (status.textContent = text),
        goTo: (place) => {
          show(place.at_s - 3, place.end_s + 3);
          goTo(place.at_s, place.text);
        },
        asked: waitingFor.asked,
      }),
      waves,
    );
    regions.on("region-updated", (region) => {
      const label = data.labels.find((one) => String(one.number) === region.id);
      model.set("selected", label.number);
      model.send({ kind: "edit", what: "move", label, start_s: region.start, end_s: region.end });
      waitingFor.asked();
    });
  }

  let asked = null;
  function askSpectrogram() {
    if (picture.hidden) return;
    clearTimeout(asked);
    asked = setTimeout(() => {
      model.send({ kind: "spectrogram", from_s: shown[0], to_s: shown[1], columns: tracks.clientWidth });
    }, 150);
  }

  function drawSpectrogram(content, bytes) {
    const { columns, rows } = content;
    if (!columns || !rows) return;
    picture.width = columns;
    picture.height = rows;
    const image = new ImageData(columns, rows);
    const values = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    values.forEach((value, k) => image.data.set([value, value, value, 255], 4 * k));
    picture.getContext("2d").putImageData(image, 0, 0);
  }

  root.addEventListener("keydown", (event) => {
    if (event.target.closest("button") && event.key === " ") return; // the button's own
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    act(action);
  });
  surfer.on("scroll", (from, to) => {
    shown = [from, Math.min(to, data.duration_s)];
    draw();
    askSpectrogram();
  });
  surfer.on("redraw", () => {
    const perSecond = surfer.getWrapper().scrollWidth / data.duration_s;
    const from = surfer.getScroll() / perSecond;
    shown = [from, Math.min(from + surfer.getWidth() / perSecond, data.duration_s)];
    draw();
    askSpectrogram();
  });
  surfer.on("interaction", (time) => goTo(time));
  surfer.on("timeupdate", (time) => {
    where.textContent = `${clock(time)} of ${clock(data.duration_s)}`;
    if (stopAt !== null && time >= stopAt) {
      stopAt = null;
      surfer.pause();
    }
  });
  surfer.on("play", () => (play.textContent = "Pause"));
  surfer.on("pause", () => {
    play.textContent = "Play";
    model.set("position_s", at());
    model.save_changes();
  });
  regions.on("region-clicked", (region) => {
    // The click also moves the playhead, to where it was.
    const label = data.labels.find((one) => String(one.number) === region.id);
    model.set("selected", label ? label.number : null);
    model.save_changes();
    if (label) status.textContent = `${label.name}, ${(region.end - region.start).toFixed(2)} seconds. ${label.reason}`;
  });

  const changed = () => {
    data = dataOf(model);
    tell();
    drawLegend();
    draw();
  };
  const spanned = () => {
    const span = model.get("span");
    if (span.length !== 2) return;
    show(span[0], span[1]);
    goTo(model.get("position_s"), model.get("said"));
  };
  const selected = () => drawn.forEach((region, number) => mark(number, region));
  const relabelled = () => {
    waitingFor.answered();
    changed();
    drawLabels();
  };
  const messaged = (content, buffers) => {
    waitingFor.answered();
    if (content.kind === "sound") {
      audio.src = URL.createObjectURL(new Blob([buffers[0]], { type: content.mime }));
      audio.currentTime = waiting ?? at();
      status.textContent = "";
      if (waiting !== null) surfer.play().catch((error) => (status.textContent = `Can't play: ${error.message}`));
      waiting = null;
    } else if (content.kind === "spectrogram") drawSpectrogram(content, buffers[0]);
    else if (content.kind === "play") start(content.from_s, content.to_s);
    else if (content.kind === "problem") status.textContent = content.text;
  };
  model.on("change:commits change:threshold change:vad change:vad_scale change:title change:words", changed);
  model.on("change:labels", relabelled);
  model.on("change:span", spanned);
  model.on("change:selected", selected);
  model.on("msg:custom", messaged);
  const resized = new ResizeObserver(draw);
  resized.observe(tracks);
  const redrawn = () => {
    drawLegend();
    draw();
  };
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  darkness.addEventListener("change", redrawn);
  const themed = new MutationObserver(() => requestAnimationFrame(redrawn)); // JupyterLab's own theme
  themed.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-name", "data-jp-theme-light"] });
  const scrolled = surfer.getWrapper().parentElement;
  for (const [name, value] of [["tabindex", "0"], ["role", "group"], ["aria-label", "Waveform"]]) {
    scrolled.setAttribute(name, value); // it scrolls, so it can be reached by keyboard
  }
  surfer.once("redrawcomplete", () => {
    drawLegend(); // the colours of the page are known by now
    drawLabels();
    spanned();
  });
  tell();
  drawLegend();
  goTo(model.get("position_s"));

  return () => {
    model.off("msg:custom", messaged);
    resized.disconnect();
    themed.disconnect();
    darkness.removeEventListener("change", redrawn);
    clearTimeout(asked);
    waitingFor.answered();
    surfer.destroy();
    if (audio.src) URL.revokeObjectURL(audio.src);
  };
}

export default { render };
