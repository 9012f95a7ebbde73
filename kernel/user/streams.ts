/** Standard output and error of user code, sent as stream messages in few pieces and in order. */

export type StreamName = 'stdout' | 'stderr';
type Send = (name: StreamName, text: string) => void;

const FLUSH_BYTES = 1 << 16;
const FLUSH_MS = 50;

/** Collects text and sends it when a turn of the event loop ends, after FLUSH_MS, or past FLUSH_BYTES. */
export class Streams {
  readonly #send: Send;
  #name: StreamName = 'stdout';
  #pending = '';
  #since = 0;
  #isScheduled = false;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Takes over `process.stdout` and `process.stderr`, and with them `console`. */
  install(): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
        this.write(name, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
        const done = typeof encoding === 'function' ? encoding : callback;
        if (typeof done === 'function') done();
        return true;
      };
      process[name].write = write as typeof process.stdout.write;
    }
  }

  write(name: StreamName, text: string): void {
    if (name !== this.#name) this.flush();
    this.#name = name;
    if (this.#pending === '') this.#since = Date.now();
    this.#pending += text;
    if (this.#pending.length >= FLUSH_BYTES || Date.now() - this.#since >= FLUSH_MS) this.flush();
    else this.#schedule();
  }

  flush(): void {
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    this.#send(this.#name, text);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
