// Draws what lies under the waveform: words, probabilities of VAD and detector, and commits.

import { scale, visible } from "./model.js";

export const HEIGHT = 150;
const WORDS = { top: 4, height: 30 };
const PROBABILITY = { top: 44, height: 96 };

/** Draw the stretch `from` … `to` of `data` on a canvas; `theme`: colours by role. */
export function drawTracks(canvas, data, from, to, theme) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(HEIGHT * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, HEIGHT);
  ctx.font = "11px sans-serif";
  const place = scale(from, to, width);
  drawStrip(ctx, data.labels, from, to, place);
  drawWords(ctx, data.words, from, to, place, theme);
  drawVad(ctx, data, from, to, place, theme, width);
  drawDetector(ctx, data, from, to, place, theme, width);
  drawCommits(ctx, data.commits, from, to, place, theme);
  ctx.fillStyle = theme.faint;
  ctx.textBaseline = "bottom";
  ctx.fillText("probability 1", 2, height(1));
  ctx.textBaseline = "top";
  ctx.fillText("0", 2, height(0) + 1);
}

/** All labels as a thin strip of colours, however many there are. */
function drawStrip(ctx, labels, from, to, place) {
  for (const label of labels) {
    if (label.end_s < from || label.start_s > to) continue;
    const x = place(label.start_s);
    ctx.fillStyle = label.colour;
    ctx.fillRect(x, 0, Math.max(1, place(label.end_s) - x), 3);
  }
}

function drawWords(ctx, words, from, to, place, theme) {
  ctx.textBaseline = "top";
  const free = { user: -Infinity, agent: -Infinity }; // where the last word of each row ends
  for (const word of words) {
    if (word.end_s < from || word.start_s > to) continue;
    const x = place(Math.max(word.start_s, from));
    if (x < free[word.speaker]) continue; // no room: it appears when zoomed in
    const y = WORDS.top + (word.speaker === "user" ? 0 : 15);
    ctx.fillStyle = word.speaker === "user" ? theme.text : theme.faint;
    ctx.fillText(word.text, x, y);
    free[word.speaker] = x + ctx.measureText(word.text).width + 4;
  }
}

function height(probability) {
  return PROBABILITY.top + PROBABILITY.height * (1 - probability);
}

function line(ctx, y, width, colour, dash) {
  ctx.strokeStyle = colour;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(0, y);
  ctx.lineTo(width, y);
  ctx.stroke();
  ctx.setLineDash([]);
}

function drawVad(ctx, data, from, to, place, theme, width) {
  const { values, start_s: start, step_s: step, activation, deactivation } = data.vad;
  const [first, last] = visible(values.length, start, step, from, to);
  ctx.lineWidth = 1;
  line(ctx, height(0), width, theme.faint, []);
  line(ctx, height(1), width, theme.faint, []);
  line(ctx, height(activation), width, theme.vad, [5, 3]);
  line(ctx, height(deactivation), width, theme.vad, [1, 3]);
  ctx.strokeStyle = theme.vad;
  ctx.beginPath();
  // One column of pixels may stand for many windows: its least and greatest are joined.
  let column = -1;
  let low = 1;
  let high = 0;
  for (let k = first; k < last; k += 1) {
    const x = Math.floor(place(start + k * step));
    if (x !== column) {
      if (column >= 0) {
        ctx.lineTo(column + 0.5, height(high));
        ctx.lineTo(column + 0.5, height(low));
      }
      column = x;
      low = 1;
      high = 0;
    }
    low = Math.min(low, values[k]);
    high = Math.max(high, values[k]);
  }
  if (column >= 0) {
    ctx.lineTo(column + 0.5, height(high));
    ctx.lineTo(column + 0.5, height(low));
  }
  ctx.stroke();
}

function drawDetector(ctx, data, from, to, place, theme, width) {
  if (data.threshold !== null) line(ctx, height(data.threshold), width, theme.detector, []);
  ctx.textBaseline = "middle";
  for (const commit of data.commits) {
    if (commit.probability === null || commit.time_s < from || commit.time_s > to) continue;
    const [x, y] = [place(commit.time_s), height(commit.probability)];
    ctx.fillStyle = theme.detector;
    ctx.beginPath();
    ctx.arc(x, y, 4, 0, 2 * Math.PI);
    ctx.fill();
    ctx.strokeStyle = theme.text;
    ctx.stroke();
    if (to - from <= 25) {
      ctx.fillStyle = theme.text;
      ctx.fillText(commit.probability.toFixed(2), x + 7, y);
    }
  }
}

function drawCommits(ctx, commits, from, to, place, theme) {
  ctx.textBaseline = "top";
  for (const commit of commits) {
    if (commit.time_s < from || commit.time_s > to) continue;
    const x = Math.round(place(commit.time_s)) + 0.5;
    const colour = commit.is_false ? theme.failure : theme.text;
    ctx.strokeStyle = colour;
    ctx.lineWidth = commit.is_false ? 2 : 1;
    ctx.beginPath();
    ctx.moveTo(x, PROBABILITY.top - 6);
    ctx.lineTo(x, HEIGHT);
    ctx.stroke();
    ctx.lineWidth = 1;
    if (commit.is_false) {
      ctx.beginPath(); // a cross, so that colour alone needn't tell
      ctx.moveTo(x - 4, PROBABILITY.top - 10);
      ctx.lineTo(x + 4, PROBABILITY.top - 2);
      ctx.moveTo(x + 4, PROBABILITY.top - 10);
      ctx.lineTo(x - 4, PROBABILITY.top - 2);
      ctx.stroke();
    }
    if (to - from <= 25) {
      ctx.fillStyle = colour;
      ctx.fillText(commit.cause, x + 4, HEIGHT - 12);
    }
  }
}
