/** Standard output and error of user code, sent as stream messages in few pieces and in order. */
import { Buffer } from 'node:buffer';
import { setImmediate } from 'node:timers';

export type StreamName = 'stdout' | 'stderr';
const { now } = Date;
const { apply } = Reflect;

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
      // The console listens for errors around each line: here are none, and Node's own way there costs more than all else.
      const ignore = (of: 'once' | 'removeListener'): unknown => {
        const own = process[name][of] as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => (args[0] === 'error' ? process[name] : apply(own, process[name], args));
      };
      Object.assign(process[name], { write, once: ignore('once'), removeListener: ignore('removeListener') });
    }
  }

  write(name: StreamName, text: string): void {
    if (name !== this.#name) this.flush();
    this.#name = name;
    if (this.#pending === '') this.#since = now();
    this.#pending += text;
    if (this.#pending.length >= FLUSH_BYTES || now() - this.#since >= FLUSH_MS) this.flush();
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
