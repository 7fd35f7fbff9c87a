// Collects its input into frames of 50 ms, mono, 16 bits, with their peak level.
//
// Posts {samples: Int16Array, peak: 0..1}; at the message "end", the remaining samples, then {isLast: true}.

class FrameCollector extends AudioWorkletProcessor {
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
    for (let index = 0; index < length; index += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[index];
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

registerProcessor("frame-collector", FrameCollector);
