/** Answers to `input()`: the user thread sleeps on shared memory until the front end has replied. */
import { INPUT_CAPACITY_BYTES, INPUT_HEADER_BYTES, InputState } from '../bridge.ts';
import type { Channels } from '../protocol/channels.ts';
import type { Message } from '../protocol/wire.ts';

export class Stdin {
  readonly #channels: Channels;
  #waiting: SharedArrayBuffer | null = null;

  constructor(channels: Channels) {
    this.#channels = channels;
  }

  /** Asks the client behind `request`; one that does not allow input is told apart at once. */
  ask(request: Message | undefined, prompt: string, password: boolean, answer: SharedArrayBuffer): void {
    this.#waiting = answer;
    if (request?.content['allow_stdin'] !== true) {
      this.#wake(InputState.unsupported);
      return;
    }
    void this.#channels.reply('stdin', request, { type: 'input_request', content: { prompt, password } });
  }

  answer(value: string): void {
    if (!this.#waiting) return;
    const bytes = Buffer.from(value).subarray(0, INPUT_CAPACITY_BYTES);
    new Uint8Array(this.#waiting, INPUT_HEADER_BYTES).set(bytes);
    this.#wake(InputState.answered, bytes.length);
  }

  interrupt(): void {
    this.#wake(InputState.interrupted);
  }

  #wake(state: number, length = 0): void {
    if (!this.#waiting) return;
    const header = new Int32Array(this.#waiting, 0, 2);
    this.#waiting = null;
    Atomics.store(header, 1, length);
    Atomics.store(header, 0, state);
    Atomics.notify(header, 0);
  }
}
