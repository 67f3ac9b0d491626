// When a listener pressed, on the time axis of what they heard.

/**
 * Seconds into a sound at which an event came. The sound began at `startedAt` on the audio clock; `stamp` is
 * `AudioContext.getOutputTimestamp()`: which moment of that clock left the loudspeaker at which time of the
 * page, so that the sound device's delay isn't counted as the listener's. `eventMs`: the event's `timeStamp`.
 */
export function pressedAt(eventMs, stamp, startedAt) {
  return stamp.contextTime + (eventMs - stamp.performanceTime) / 1000 - startedAt;
}

/** One turn: presses in seconds from the caller's first word, until one comes after the turn's end. */
export class HeardTurn {
  constructor({ number, lead_s, end_s }) {
    Object.assign(this, { number, leadS: lead_s, endS: end_s, pressesS: [], over: false });
  }

  /** A press, in seconds into the sound; whether the turn is over now. */
  press(soundS) {
    if (this.over) return true;
    const atS = soundS - this.leadS;
    this.pressesS.push(atS);
    this.over = atS >= this.endS;
    return this.over;
  }
}
