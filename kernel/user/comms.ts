/** Comms: two-way channels between a cell's code and the front end (widgets). */
import { randomUUID } from 'node:crypto';
import type { Json } from '../protocol/wire.ts';

export interface CommMessage {
  data: Json;
  metadata: Json;
  buffers: Uint8Array[];
}

type Publish = (messageType: string, content: Json, metadata: Json, buffers: Uint8Array[]) => void;
type OnOpen = (comm: Comm, message: CommMessage) => void;

/** One open channel; set `onMessage` and `onClose` to hear from the front end. */
export class Comm {
  readonly id: string;
  readonly target: string;
  onMessage: ((message: CommMessage) => void) | null = null;
  onClose: ((message: CommMessage) => void) | null = null;
  readonly #publish: Publish;
  readonly #forget: () => void;

  constructor(id: string, target: string, publish: Publish, forget: () => void) {
    this.id = id;
    this.target = target;
    this.#publish = publish;
    this.#forget = forget;
  }

  send(data: Json, buffers: Uint8Array[] = [], metadata: Json = {}): void {
    this.#publish('comm_msg', { comm_id: this.id, data }, metadata, buffers);
  }

  close(data: Json = {}): void {
    this.#forget();
    this.#publish('comm_close', { comm_id: this.id, data }, {}, []);
  }
}

export class Comms {
  readonly #open = new Map<string, Comm>();
  readonly #targets = new Map<string, OnOpen>();
  readonly #publish: Publish;
  readonly #onChange: (open: Record<string, { target_name: string }>) => void;

  constructor(publish: Publish, onChange: (open: Record<string, { target_name: string }>) => void) {
    this.#publish = publish;
    this.#onChange = onChange;
  }

  /** Opens a channel to `target` in the front end. */
  open(target: string, data: Json = {}, options: { metadata?: Json; buffers?: Uint8Array[]; id?: string } = {}): Comm {
    const comm = this.#add(options.id ?? randomUUID(), target);
    const content = { comm_id: comm.id, target_name: target, data };
    this.#publish('comm_open', content, options.metadata ?? {}, options.buffers ?? []);
    return comm;
  }

  /** Calls `onOpen` when the front end opens a channel to `target`. */
  register(target: string, onOpen: OnOpen): void {
    this.#targets.set(target, onOpen);
  }

  /** A comm message from the front end; one for an unknown target is closed again, as the protocol asks. */
  receive(messageType: string, content: Json, metadata: Json, buffers: Uint8Array[]): void {
    const id = String(content['comm_id']);
    const message = { data: (content['data'] ?? {}) as Json, metadata, buffers };
    if (messageType === 'comm_open') this.#accept(id, String(content['target_name']), message);
    else if (messageType === 'comm_msg') this.#open.get(id)?.onMessage?.(message);
    else {
      const comm = this.#open.get(id);
      this.#remove(id);
      comm?.onClose?.(message);
    }
  }

  #accept(id: string, target: string, message: CommMessage): void {
    const onOpen = this.#targets.get(target);
    if (onOpen) onOpen(this.#add(id, target), message);
    else this.#publish('comm_close', { comm_id: id, data: {} }, {}, []);
  }

  #add(id: string, target: string): Comm {
    const comm = new Comm(id, target, this.#publish, () => this.#remove(id));
    this.#open.set(id, comm);
    this.#changed();
    return comm;
  }

  #remove(id: string): void {
    if (this.#open.delete(id)) this.#changed();
  }

  #changed(): void {
    this.#onChange(Object.fromEntries([...this.#open.values()].map(({ id, target }) => [id, { target_name: target }])));
  }
}
