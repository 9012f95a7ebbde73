/** A Jupyter client: starts a kernel process, sends requests, collects what a request causes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dealer, Subscriber } from 'zeromq';
import type { ConnectionInfo } from '../protocol/channels.ts';
import { createHeader, type Json, type Message, parse, Signer, serialize } from '../protocol/wire.ts';
import { killGroup } from '../server/parent.ts';

export type ClientChannel = 'shell' | 'control' | 'stdin';
type Listener = (message: Message, channel: ClientChannel | 'iopub') => void;

const START_LIMIT_MS = 120_000;
const SUBSCRIPTION_WAIT_MS = 10;

export interface StartOptions {
  /** Command and arguments; `{connection_file}` is replaced. */
  argv: string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** What the kernel process itself logs. */
  onLog?: (text: string) => void;
}

/** Everything one execute_request caused. */
export interface Execution {
  reply: Json;
  /** iopub messages in order, status included. */
  published: Message[];
}

export class KernelClient {
  readonly process: ChildProcess;
  readonly connection: ConnectionInfo;
  readonly #folder: string;
  readonly #signer: Signer;
  readonly #session = randomUUID();
  readonly #sockets: Record<ClientChannel, Dealer>;
  readonly #iopub = new Subscriber({ receiveHighWaterMark: 0 });
  readonly #listeners = new Set<Listener>();
  #exited = false;

  constructor(process: ChildProcess, connection: ConnectionInfo, folder: string) {
    this.process = process;
    this.connection = connection;
    this.#folder = folder;
    this.#signer = new Signer(connection.key, connection.signature_scheme);
    const routingId = this.#session;
    this.#sockets = {
      shell: new Dealer({ routingId }),
      control: new Dealer({ routingId }),
      stdin: new Dealer({ routingId }),
    };
    process.once('exit', () => {
      this.#exited = true;
    });
  }

  /** Starts a kernel and waits until it answers. Throws when it exits first. */
  static async start({ argv, cwd, env, onLog }: StartOptions): Promise<KernelClient> {
    const folder = temporaryFolder();
    const connection = await freeConnection();
    const file = join(folder, 'connection.json');
    writeFileSync(file, JSON.stringify(connection));
    const [command = '', ...args] = argv.map((part) => part.replace('{connection_file}', file));
    const child = spawn(command, args, {
      cwd,
      env: { ...(env ?? process.env), JPY_PARENT_PID: String(process.pid) },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: a terminal's Ctrl-C reaches this process alone, and the kernel's children end with it.
      detached: true,
    });
    child.stdout?.on('data', (chunk: Buffer) => onLog?.(chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => onLog?.(chunk.toString()));
    const client = new KernelClient(child, connection, folder);
    client.#connect();
    await client.#untilReady();
    return client;
  }

  /** Hears every message from the kernel; returns the function that ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sends a message and returns its id. */
  send(channel: ClientChannel, type: string, content: Json, buffers: Uint8Array[] = []): string {
    const header = { ...createHeader(this.#session, type), username: 'client' };
    const message = { identities: [], header, parent: {}, metadata: {}, content, buffers };
    void this.sendFrames(channel, serialize(message, this.#signer));
    return header.msg_id;
  }

  /** Sends frames as they are, valid or not. */
  async sendFrames(channel: ClientChannel, frames: Uint8Array[]): Promise<void> {
    await this.#sockets[channel].send(frames as Buffer[]);
  }

  /** The reply to a request of this type and content. */
  request(channel: ClientChannel, type: string, content: Json, timeoutMs = 30_000): Promise<Message> {
    return this.#collect(timeoutMs, type, (resolve) => {
      const id = this.send(channel, type, content);
      return (message, from) => {
        if (from === channel && message.parent['msg_id'] === id) resolve(message);
      };
    });
  }

  /** Runs code and waits for both its reply and its idle status; `onPublished` hears iopub messages as they come. */
  execute(
    code: string,
    options: Json = {},
    timeoutMs = 60_000,
    onPublished?: (message: Message) => void,
  ): Promise<Execution> {
    return this.#collect(timeoutMs, 'execute_request', (resolve) => {
      const content = {
        code,
        silent: false,
        store_history: true,
        user_expressions: {},
        allow_stdin: false,
        ...options,
      };
      const id = this.send('shell', 'execute_request', content);
      const published: Message[] = [];
      let reply: Json | null = null;
      let idle = false;
      return (message, from) => {
        if (message.parent['msg_id'] !== id) return;
        if (from === 'iopub') {
          published.push(message);
          onPublished?.(message);
        }
        if (from === 'iopub' && message.content['execution_state'] === 'idle') idle = true;
        if (from === 'shell') reply = message.content;
        if (reply && idle) resolve({ reply, published });
      };
    });
  }

  /** Ends the kernel and all processes that it has started, at once. */
  kill(): void {
    if (this.process.pid !== undefined) killGroup(this.process.pid);
  }

  /** Ends the kernel, by request first, by force when it does not follow. */
  async stop(patienceMs = 5000): Promise<void> {
    if (!this.#exited) {
      const exited = new Promise<void>((resolve) => this.process.once('exit', () => resolve()));
      this.send('control', 'shutdown_request', { restart: false });
      const timer = setTimeout(() => this.kill(), patienceMs);
      await exited;
      clearTimeout(timer);
    }
    for (const socket of [...Object.values(this.#sockets), this.#iopub]) socket.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #connect(): void {
    const { transport, ip } = this.connection;
    for (const channel of ['shell', 'control', 'stdin'] as const) {
      this.#sockets[channel].connect(`${transport}://${ip}:${this.connection[`${channel}_port`]}`);
      void this.#receive(this.#sockets[channel], channel);
    }
    this.#iopub.connect(`${transport}://${ip}:${this.connection.iopub_port}`);
    this.#iopub.subscribe();
    void this.#receive(this.#iopub, 'iopub');
  }

  async #receive(socket: Dealer | Subscriber, channel: ClientChannel | 'iopub'): Promise<void> {
    for await (const frames of socket) {
      const message = parse(frames, this.#signer);
      for (const listener of this.#listeners) listener(message, channel);
    }
  }

  /**
   * Waits for the answer to a first request, then asks again until its status arrives as well: only then is the
   * subscription to iopub in place and no output can be missed.
   */
  async #untilReady(): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      const code = (): string => `the kernel ended with code ${this.process.exitCode} before it answered`;
      this.process.once('exit', () => reject(new Error(code())));
      this.process.once('error', reject);
    });
    failed.catch(() => {});
    let isSubscribed = false;
    const stop = this.listen((_, from) => {
      isSubscribed ||= from === 'iopub';
    });
    while (!isSubscribed) {
      await Promise.race([this.request('shell', 'kernel_info_request', {}, START_LIMIT_MS), failed]);
      await new Promise((resolve) => setTimeout(resolve, SUBSCRIPTION_WAIT_MS));
    }
    stop();
  }

  #collect<T>(timeoutMs: number, what: string, start: (resolve: (value: T) => void) => Listener): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#exited) throw new Error(`the kernel has ended: ${what} cannot be answered`);
      const finish = (): void => {
        clearTimeout(timer);
        stopListening();
        this.process.off('exit', onExit);
      };
      const onExit = (): void => {
        finish();
        reject(new Error(`the kernel ended while ${what} was unanswered`));
      };
      const timer = setTimeout(() => {
        finish();
        reject(new TimeoutError(`no answer to ${what} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.process.once('exit', onExit);
      const stopListening = this.listen(
        start((value) => {
          finish();
          resolve(value);
        }),
      );
    });
  }
}

export class TimeoutError extends Error {
  override name = 'TimeoutError';
}

async function freeConnection(): Promise<ConnectionInfo> {
  const ports = await freePorts(5);
  const [shell_port = 0, iopub_port = 0, control_port = 0, stdin_port = 0, hb_port = 0] = ports;
  const key = randomBytes(24).toString('hex');
  return {
    transport: 'tcp',
    ip: '127.0.0.1',
    key,
    signature_scheme: 'hmac-sha256',
    shell_port,
    iopub_port,
    control_port,
    stdin_port,
    hb_port,
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function temporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'kernel-'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fix = 'set TMPDIR to a folder that can be written to';
    throw new Error(`cannot make a folder in ${tmpdir()} (${code ?? message}): ${fix}`, { cause: error });
  }
}
