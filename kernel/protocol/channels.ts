/** The five sockets of a kernel (iopub, shell, control, stdin, heartbeat) with ordered, signed sending. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Reply, Router, XPublisher } from 'zeromq';
import { createHeader, type Header, type Json, type Message, parse, Signer, serialize, WireError } from './wire.ts';

/** Contents of the connection file that the client writes. */
export interface ConnectionInfo {
  transport: string;
  ip: string;
  key: string;
  signature_scheme: string;
  shell_port: number;
  iopub_port: number;
  control_port: number;
  stdin_port: number;
  hb_port: number;
}

export type RouterName = 'shell' | 'control' | 'stdin';

/** First byte of a message that asks for a topic, which follows it. */
const SUBSCRIBES = 1;

/** Options of a socket in ZeroMQ's own numbering. */
const ZMQ_SUBSCRIBE = 6;
const ZMQ_UNSUBSCRIBE = 7;

/** A publisher whose subscribers get nothing before they are admitted. */
class Publisher extends XPublisher {
  constructor() {
    super({ sendHighWaterMark: 0, verbosity: 'allSubs', manual: true });
  }

  /** Does what the message asks for that was received last; the topic if it was a subscription. */
  admit(request: Buffer): Buffer | null {
    const topic = request.subarray(1);
    const subscribes = request[0] === SUBSCRIBES;
    this.setStringOption(subscribes ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE, topic);
    return subscribes ? topic : null;
  }
}

/** A reply's addressee: the request's identities and header. */
export interface Request {
  identities: Buffer[];
  header: Header;
}

/** Reads a connection file. Throws with the file's name when it is missing or incomplete. */
export function readConnectionFile(path: string): ConnectionInfo {
  const info = JSON.parse(readFileSync(path, 'utf8')) as ConnectionInfo;
  for (const key of ['transport', 'ip', 'shell_port', 'iopub_port', 'control_port', 'stdin_port', 'hb_port'] as const) {
    if (info[key] === undefined) throw new Error(`the connection file ${path} lacks "${key}"`);
  }
  return { ...info, key: info.key ?? '', signature_scheme: info.signature_scheme || 'hmac-sha256' };
}

export class Channels {
  readonly session: string = randomUUID();
  readonly #signer: Signer;
  readonly #info: ConnectionInfo;
  readonly #iopub = new Publisher();
  readonly #heartbeat = new Reply();
  readonly #routers: Record<RouterName, Router> = { shell: new Router(), control: new Router(), stdin: new Router() };
  /** Sends on one socket must not overlap: each waits for the one before. */
  readonly #tails = new Map<XPublisher | Router, Promise<void>>();
  /** Topics of new subscribers, who wait for their welcome. */
  readonly #subscriptions: Buffer[] = [];

  constructor(info: ConnectionInfo) {
    this.#info = info;
    this.#signer = new Signer(info.key, info.signature_scheme);
  }

  async bind(): Promise<void> {
    const { transport, ip } = this.#info;
    const separator = transport === 'ipc' ? '-' : ':';
    const address = (port: number): string => `${transport}://${ip}${separator}${port}`;
    await this.#iopub.bind(address(this.#info.iopub_port));
    await this.#heartbeat.bind(address(this.#info.hb_port));
    for (const name of ['shell', 'control', 'stdin'] as const) {
      await this.#routers[name].bind(address(this.#info[`${name}_port`]));
    }
    void this.#echoHeartbeat();
    void this.#welcome();
  }

  /** Messages of one router in order of arrival; invalid frames are dropped and told to `onInvalid`. */
  async *receive(name: RouterName, onInvalid: (error: WireError) => void): AsyncGenerator<Message> {
    for await (const frames of this.#routers[name]) {
      let message: Message;
      try {
        message = parse(frames, this.#signer);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        onInvalid(error);
        continue;
      }
      yield message;
    }
  }

  publish(
    type: string,
    content: Json,
    parent?: Header,
    metadata: Json = {},
    buffers: Uint8Array[] = [],
  ): Promise<void> {
    return this.#send(this.#iopub, [Buffer.from(type)], type, content, parent, metadata, buffers);
  }

  reply(name: RouterName, request: Request, type: string, content: Json, metadata: Json = {}): Promise<void> {
    return this.#send(this.#routers[name], request.identities, type, content, request.header, metadata, []);
  }

  /** Waits until everything queued has been handed to the sockets, then closes them. */
  async close(): Promise<void> {
    await Promise.all(this.#tails.values());
    for (const socket of [this.#iopub, this.#heartbeat, ...Object.values(this.#routers)]) socket.close();
  }

  #send(
    socket: XPublisher | Router,
    identities: Buffer[],
    type: string,
    content: Json,
    parent?: Header,
    metadata: Json = {},
    buffers: Uint8Array[] = [],
  ): Promise<void> {
    const frames = this.#frames(identities, type, content, parent, metadata, buffers);
    return this.#inTurn(socket, `sending ${type}`, () =>
      socket === this.#iopub ? this.#publishWelcomed(frames) : socket.send(frames),
    );
  }

  #frames(
    identities: Buffer[],
    type: string,
    content: Json,
    parent?: Header,
    metadata: Json = {},
    buffers: Uint8Array[] = [],
  ): Buffer[] {
    const header = createHeader(this.session, type);
    const message = { identities, header, parent: (parent ?? {}) as Json, metadata, content, buffers };
    return serialize(message, this.#signer) as Buffer[];
  }

  #inTurn(socket: XPublisher | Router, what: string, work: () => Promise<void>): Promise<void> {
    const tail = (this.#tails.get(socket) ?? Promise.resolve()).then(work).catch((error: unknown) => {
      // A client that went away makes a router's send fail; there is nobody left to tell.
      if (!socket.closed) process.stderr.write(`kernel: ${what} failed: ${String(error)}\n`);
    });
    this.#tails.set(socket, tail);
    return tail;
  }

  async #echoHeartbeat(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }

  /** Tells each new subscriber that nothing will be missed from here on. Source: Jupyter enhancement proposal 65. */
  async #welcome(): Promise<void> {
    for await (const [frame] of this.#iopub) {
      const topic = frame && this.#iopub.admit(frame);
      if (!topic) continue;
      this.#subscriptions.push(topic);
      void this.#inTurn(this.#iopub, 'sending iopub_welcome', () => this.#publishWelcomed(null));
    }
  }

  /** The welcome is a subscriber's first message: nothing may be awaited between the last welcome and the message. */
  async #publishWelcomed(frames: Buffer[] | null): Promise<void> {
    for (let topic = this.#subscriptions.shift(); topic; topic = this.#subscriptions.shift()) {
      await this.#iopub.send(this.#frames([topic], 'iopub_welcome', { subscription: topic.toString() }));
    }
    if (frames) await this.#iopub.send(frames);
  }
}
