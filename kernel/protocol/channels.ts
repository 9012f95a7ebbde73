/** The five sockets of a kernel (iopub, shell, control, stdin, heartbeat) with ordered, signed sending. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Router, XPublisher } from 'zeromq';
import {
  createHeader,
  type Header,
  type Message,
  type Outgoing,
  parse,
  Signer,
  serialize,
  signatureOf,
  WireError,
} from './wire.ts';

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

/** First byte of a message that asks for a topic, which follows it, or wants it no longer. */
const SUBSCRIBES = 1;
const UNSUBSCRIBES = 0;

/** Options of a socket in ZeroMQ's own numbering. */
const ZMQ_SUBSCRIBE = 6;
const ZMQ_UNSUBSCRIBE = 7;

/** A publisher whose subscribers get nothing before they are admitted. */
class Publisher extends XPublisher {
  constructor() {
    super({ sendHighWaterMark: 0, verbosity: 'allSubs', manual: true });
  }

  /**
   * Does what the message asks for that was received last; the topic if it was a subscription. All else is dropped: for
   * the library it would come from whoever subscribed last, whose subscription it would end.
   */
  admit(request: Buffer): Buffer | null {
    const topic = request.subarray(1);
    const subscribes = request[0] === SUBSCRIBES;
    if (!subscribes && request[0] !== UNSUBSCRIBES) return null;
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

/** A client that comes back under its identity takes its old connection's place: its replies reach it. */
const router = (): Router => new Router({ handover: true });

export class Channels {
  readonly session: string = randomUUID();
  readonly #signer: Signer;
  readonly #info: ConnectionInfo;
  readonly #iopub = new Publisher();
  /** A router, as it takes any frames: a reply socket fails on those that are no request. */
  readonly #heartbeat = router();
  readonly #routers: Record<RouterName, Router> = { shell: router(), control: router(), stdin: router() };
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
    for await (const frames of this.#frames(this.#routers[name])) {
      let message: Message;
      try {
        message = parse(frames, this.#signer);
        if (!this.#signer.isFirst(signatureOf(frames))) throw new WireError('a copy of one that came before');
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        onInvalid(error);
        continue;
      }
      yield message;
    }
  }

  publish(message: Outgoing): Promise<void> {
    return this.#inTurn(this.#iopub, `sending ${message.type}`, () =>
      this.#publishWelcomed(this.#serialize([Buffer.from(message.type)], message)),
    );
  }

  reply(name: RouterName, { identities, header }: Request, message: Omit<Outgoing, 'parent'>): Promise<void> {
    const socket = this.#routers[name];
    const frames = this.#serialize(identities, { ...message, parent: header });
    return this.#inTurn(socket, `sending ${message.type}`, () => socket.send(frames));
  }

  /** Waits until everything queued has been handed to the sockets, then closes them. */
  async close(): Promise<void> {
    await Promise.all(this.#tails.values());
    for (const socket of [this.#iopub, this.#heartbeat, ...Object.values(this.#routers)]) socket.close();
  }

  #serialize(identities: readonly Uint8Array[], message: Outgoing): Buffer[] {
    const { type, content, parent = {}, metadata = {}, buffers = [] } = message;
    const header = createHeader(this.session, type);
    return serialize({ identities, header, parent, metadata, content, buffers }, this.#signer) as Buffer[];
  }

  /** What arrives at a socket, until it is closed: frames that the library itself cannot take end nothing. */
  async *#frames(socket: XPublisher | Router): AsyncGenerator<Buffer[]> {
    while (!socket.closed) {
      try {
        yield await socket.receive();
      } catch (error) {
        if (!socket.closed) process.stderr.write(`kernel: frames were dropped: ${String(error)}\n`);
      }
    }
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
    for await (const frames of this.#frames(this.#heartbeat)) {
      void this.#inTurn(this.#heartbeat, 'a heartbeat', () => this.#heartbeat.send(frames));
    }
  }

  /** Tells each new subscriber that nothing will be missed from here on. Source: Jupyter enhancement proposal 65. */
  async #welcome(): Promise<void> {
    for await (const [frame] of this.#frames(this.#iopub)) {
      const topic = frame && this.#admit(frame);
      if (!topic) continue;
      this.#subscriptions.push(topic);
      void this.#inTurn(this.#iopub, 'sending iopub_welcome', () => this.#publishWelcomed(null));
    }
  }

  /** Anyone may send anything here: what is neither a subscription nor its end is dropped. */
  #admit(frame: Buffer): Buffer | null {
    try {
      return this.#iopub.admit(frame);
    } catch {
      return null;
    }
  }

  /** The welcome is a subscriber's first message: nothing may be awaited between the last welcome and the message. */
  async #publishWelcomed(frames: Buffer[] | null): Promise<void> {
    for (let topic = this.#subscriptions.shift(); topic; topic = this.#subscriptions.shift()) {
      const content = { subscription: topic.toString() };
      await this.#iopub.send(this.#serialize([topic], { type: 'iopub_welcome', content }));
    }
    if (frames) await this.#iopub.send(frames);
  }
}
