// Requests to the kernel: one at a time, and of moves of one control that come meanwhile only the last.
//
// So dragging never queues: however slow the kernel is, at most one move of each control waits.

export class Requests {
  /**
   * `send(message)`; `first`: number of the first request; `silent(yes)`: told when an answer takes longer
   * than `patience` milliseconds, and when it has come. `timer`: `setTimeout`, or what stands for it.
   */
  constructor(send, { first = 1, patience = 5000, silent = () => {}, timer = (call, ms) => setTimeout(call, ms) } = {}) {
    Object.assign(this, { send, next: first, patience, silent, timer, waiting: [], flying: null });
  }

  /** Ask for something; `same`: requests of one such name replace each other while they wait. */
  ask(message, same = null) {
    const place = same === null ? -1 : this.waiting.findIndex((one) => one.same === same);
    const last = this.waiting.length - 1;
    if (place >= 0 && place === last) this.waiting[last] = { message, same };
    else {
      if (place >= 0) this.waiting.splice(place, 1);
      this.waiting.push({ message, same });
    }
    this.#flush();
  }

  /** The kernel has answered the request of this number. */
  answered(serial) {
    if (serial !== this.flying) return;
    this.flying = null;
    this.silent(false);
    this.#flush();
  }

  get busy() {
    return this.flying !== null || this.waiting.length > 0;
  }

  #flush() {
    if (this.flying !== null || !this.waiting.length) return;
    const serial = this.next++;
    this.flying = serial;
    this.send({ ...this.waiting.shift().message, serial });
    this.timer(() => {
      if (this.flying === serial) this.silent(true);
    }, this.patience);
  }
}
