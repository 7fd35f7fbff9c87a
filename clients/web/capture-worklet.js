// Gathers the audio of its input into pieces of 50 ms: 16 bits, one channel, and how loud it is.
//
// Posts {samples: Int16Array, peak: 0..1}; for the message "end" what is left, then {isLast: true}.

class Gatherer extends AudioWorkletProcessor {
  #samples = new Int16Array(Math.round(sampleRate / 20));
  #filled = 0;
  #peak = 0;
  #isEnded = false;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#post();
      this.#isEnded = true;
      this.port.postMessage({ isLast: true });
    };
  }

  process([channels]) {
    if (this.#isEnded) return false;
    const length = channels.length ? channels[0].length : 0;
    for (let frame = 0; frame < length; frame += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[frame];
      this.#add(sum / channels.length);
    }
    return true;
  }

  #add(value) {
    this.#samples[this.#filled] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    this.#peak = Math.max(this.#peak, Math.min(1, Math.abs(value)));
    this.#filled += 1;
    if (this.#filled === this.#samples.length) this.#post();
  }

  #post() {
    const samples = this.#samples.slice(0, this.#filled);
    this.port.postMessage({ samples, peak: this.#peak }, [samples.buffer]);
    this.#filled = 0;
    this.#peak = 0;
  }
}

registerProcessor("gatherer", Gatherer);
