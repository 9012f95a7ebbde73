/** Mutated frames and bytes on the five ports of a kernel, which answers all the same. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { Dealer, XSubscriber } from 'zeromq';
import type { KernelClient } from '../../kernel/client/client.ts';
import { createHeader, type Json, Signer, serialize } from '../../kernel/protocol/wire.ts';
import { startKernel } from '../kernel/start.ts';
import type { Fuzz } from './main.ts';
import { type Random, randomFrom } from './random.ts';

/** How many inputs come between two looks at the kernel. */
const LOOK_EVERY = 100;
const PORTS = ['shell', 'control', 'stdin', 'hb', 'iopub'] as const;
/** All but what ends a kernel by right. */
const TYPES = [
  ...['kernel_info', 'execute', 'complete', 'inspect', 'history', 'is_complete', 'comm_info', 'interrupt', 'debug'],
].map((name) => `${name}_request`);
const MORE_TYPES = ['comm_open', 'comm_msg', 'comm_close', 'input_reply', 'execute_reply', '', '\u0000'];
const KEYS = [
  'code',
  'cursor_pos',
  'comm_id',
  'target_name',
  'data',
  'hist_access_type',
  'n',
  'pattern',
  'detail_level',
];
const VALUES = [
  '1 + 1',
  '',
  '*a*a*a*b',
  'tail',
  -1,
  0,
  1e308,
  null,
  true,
  [],
  {},
  [[[]]],
  { a: 1 },
  '\ud800',
  'x'.repeat(5000),
];

type Port = (typeof PORTS)[number];

/** Sends each input, and asks the kernel after each hundred; a kernel that is gone is one bad input, and replaced. */
export const fuzzProtocol: Fuzz = async (count, seed, onBad) => {
  const random = randomFrom(seed);
  let target = await Target.start();
  for (let i = 1; i <= count; i++) {
    const port = random.one(PORTS);
    const sent = random.next() < 0.02 ? await target.bytes(port, random) : await target.frames(port, random);
    const isLook = i % LOOK_EVERY === 0 || i === count;
    const wrong = isLook ? await target.wrong() : null;
    if (!wrong) continue;
    onBad(`inputs ${Math.max(1, i - LOOK_EVERY + 1)} to ${i} of seed ${seed} (the last: ${sent}): ${wrong}`);
    await target.stop();
    target = await Target.start();
  }
  await target.stop();
};

class Target {
  readonly #kernel: KernelClient;
  readonly #signer: Signer;
  readonly #sockets: Record<Port, Dealer | XSubscriber>;

  constructor(kernel: KernelClient) {
    const { ip, key } = kernel.connection;
    this.#kernel = kernel;
    this.#signer = new Signer(key);
    this.#sockets = Object.fromEntries(
      PORTS.map((port) => {
        const socket = port === 'iopub' ? new XSubscriber({ linger: 0 }) : new Dealer({ linger: 0 });
        socket.connect(`tcp://${ip}:${kernel.connection[`${port}_port`]}`);
        return [port, socket];
      }),
    ) as Record<Port, Dealer | XSubscriber>;
  }

  static async start(): Promise<Target> {
    return new Target(await startKernel(tmpdir()));
  }

  async frames(port: Port, random: Random): Promise<string> {
    const frames = mutated(this.#message(random), random);
    await this.#sockets[port].send(frames);
    return `${port} ${frames.map((frame) => frame.toString('latin1').slice(0, 60)).join(' | ')}`;
  }

  /** Bytes on the bare socket, where ZeroMQ's own greeting is expected. */
  async bytes(port: Port, random: Random): Promise<string> {
    const { connection } = this.#kernel;
    const bytes = random.next() < 0.5 ? Buffer.from([1, 0, 2, 0, 0x41]) : random.bytes(random.below(80));
    const socket = connect(connection[`${port}_port`], connection.ip);
    socket.on('error', () => {});
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    socket.end(bytes);
    await once(socket.resume(), 'close');
    return `${port} bytes ${bytes.toString('hex')}`;
  }

  /** What the kernel does not do that a kernel does. */
  async wrong(): Promise<string | null> {
    try {
      let reply: Json = {};
      // An input before may have asked for an interrupt, or failed, which aborts what is queued behind it.
      for (let attempt = 0; attempt < 5 && reply['status'] !== 'ok'; attempt++) {
        ({ reply } = await this.#kernel.execute('6 * 7'));
      }
      return reply['status'] === 'ok' ? null : `6 * 7 gave ${JSON.stringify(reply)}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async stop(): Promise<void> {
    for (const socket of Object.values(this.#sockets)) socket.close();
    await this.#kernel.stop();
  }

  /** A signed message of a known type with contents of any kind. */
  #message(random: Random): Buffer[] {
    const header: Json = { ...createHeader('fuzz', random.one([...TYPES, ...MORE_TYPES])) };
    const content = Object.fromEntries(
      Array.from({ length: random.below(5) }, () => [random.one(KEYS), random.one(VALUES)]),
    );
    if (random.next() < 0.2) header[random.one(['msg_id', 'session', 'version', 'date'])] = random.one(VALUES);
    const message = { identities: [], header: header as never, parent: {}, metadata: {}, content, buffers: [] };
    return serialize({ ...message, buffers: random.next() < 0.1 ? [random.bytes(9)] : [] }, this.#signer) as Buffer[];
  }
}

/** The frames with up to three changes; a third stays as signed. */
function mutated(frames: readonly Buffer[], random: Random): Buffer[] {
  let changed = [...frames];
  const changes = Math.max(0, random.below(5) - 1);
  for (let i = 0; i < changes; i++) changed = random.one(MUTATIONS)(changed, random);
  return changed.length > 0 ? changed : [Buffer.alloc(0)];
}

const MUTATIONS: readonly ((frames: Buffer[], random: Random) => Buffer[])[] = [
  (frames, random) => frames.filter((_, i) => i !== random.below(frames.length)),
  (frames, random) => [...frames, ...frames.slice(random.below(frames.length + 1))],
  (frames, random) =>
    frames.map((frame) => (random.next() < 0.3 ? frame.subarray(0, random.below(frame.length + 1)) : frame)),
  (frames, random) => frames.map((frame) => (random.next() < 0.3 ? flipped(frame, random) : frame)),
  (frames, random) => [...frames].sort(() => random.next() - 0.5),
  (frames, random) => [random.bytes(random.below(300)), ...frames],
  (frames, random) => frames.map((frame) => (random.next() < 0.3 ? random.bytes(random.below(64)) : frame)),
];

function flipped(frame: Buffer, random: Random): Buffer {
  const copy = Buffer.from(frame);
  if (copy.length > 0) copy[random.below(copy.length)]! ^= 1 << random.below(8);
  return copy;
}
