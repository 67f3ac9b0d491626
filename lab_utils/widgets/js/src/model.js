// What the timeline knows and decides, without a browser: places of times, steps between marks, texts.

/** Bytes of int8 as one Float32Array of -1 … 1 a channel; `bytes` holds channel after channel. */
export function peaksOf(view, channels) {
  const values = new Int8Array(view.buffer, view.byteOffset, view.byteLength);
  const n = Math.floor(values.length / channels);
  return Array.from({ length: channels }, (_, k) =>
    Float32Array.from(values.subarray(k * n, (k + 1) * n), (value) => value / 127),
  );
}

/** Probabilities 0 … 1 from bytes. */
export function probabilitiesOf(view) {
  const values = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return Float32Array.from(values, (value) => value / 255);
}

/** Places of times on a canvas that shows `from` … `to` on `width` pixels. */
export function scale(from, to, width) {
  const perSecond = width / Math.max(to - from, 1e-9);
  return (time) => (time - from) * perSecond;
}

/** Index range of equally spaced values (`start` + k × `step`) that touch `from` … `to`. */
export function visible(n, start, step, from, to) {
  const first = Math.max(0, Math.floor((from - start) / step));
  const last = Math.min(n, Math.ceil((to - start) / step) + 1);
  return [first, Math.max(first, last)];
}

/** The next of ascending `times` after `now` (`step` 1), or the last before it (-1); undefined if there is none. */
export function stepTo(times, now, step, slack = 0.05) {
  if (step > 0) return times.find((time) => time > now + slack);
  return times.findLast((time) => time < now - slack);
}

/** 75.25 → "1:15.3"; one hour or more as "1:02:03.0". */
export function clock(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const s = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  const minutes = Math.floor(tenths / 600);
  if (minutes < 60) return `${minutes}:${s}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${s}`;
}

/** What a screen reader says of a commit. */
export function spokenCommit(commit) {
  const what = commit.is_false ? "False boundary" : "Commit";
  const probability = commit.probability === null ? "" : `, probability ${commit.probability.toFixed(2)}`;
  const wait = commit.latency_s === null ? "" : `, ${commit.latency_s.toFixed(2)} seconds after the end`;
  return `${what} at ${clock(commit.time_s)}, by ${commit.cause}${probability}${wait}`;
}

/** The action that a key stands for, or undefined. Times in seconds. */
export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const seconds = event.shiftKey ? 0.1 : 1;
  switch (event.key) {
    case " ":
      return { name: "play" };
    case "ArrowLeft":
      return { name: "skip", seconds: -seconds };
    case "ArrowRight":
      return { name: "skip", seconds };
    case "Home":
      return { name: "seek", seconds: 0 };
    case "n":
      return { name: "failure", step: 1 };
    case "p":
      return { name: "failure", step: -1 };
    case "]":
      return { name: "label", step: 1 };
    case "[":
      return { name: "label", step: -1 };
    case "+":
    case "=":
      return { name: "zoom", factor: 2 };
    case "-":
      return { name: "zoom", factor: 0.5 };
    case "0":
      return { name: "fit" };
    default:
      return undefined;
  }
}

/** Whether a colour as a browser computes it ("rgb(r, g, b)") is nearer to white than to black. */
export function isBright(colour) {
  const [r, g, b] = (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b > 128;
}

/** The spans within one width of `from` … `to`; none if there are more than `most`: then they are too narrow to see. */
export function near(spans, from, to, most) {
  const width = to - from;
  const found = spans.filter((span) => span.end_s >= from - width && span.start_s <= to + width);
  return found.length > most ? [] : found;
}
