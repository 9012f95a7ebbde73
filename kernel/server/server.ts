/** Jupyter protocol 5.4: what each request is answered with. Runs in a worker thread, apart from user code. */
import type { Cell, ExecutionResult, ToServer, ToUser } from '../bridge.ts';
import { Channels, type ConnectionInfo, type RouterName } from '../protocol/channels.ts';
import { toCharacters, toUtf16 } from '../protocol/cursor.ts';
import { type Json, type Message, PROTOCOL_VERSION } from '../protocol/wire.ts';
import type { PackageLocation } from './compiler.ts';
import { Executions, INTERRUPTED } from './executions.ts';
import { History } from './history.ts';
import { hoverBundle } from './hover.ts';
import { Interrupter } from './interrupt.ts';
import { type Imports, Language } from './language.ts';
import { Stdin } from './stdin.ts';
import { completeness } from './syntax.ts';

/** Output may still arrive for a cell that has ended (timers): its request is remembered this long. */
const REMEMBERED_REQUESTS = 1000;

/** So long nobody has asked for anything before the compiler practises, and so often it does. */
const REST_MS = 250;
const PRACTICE_RUNS = 8;

export interface ServerOptions {
  connection: ConnectionInfo;
  version: string;
  location: PackageLocation;
  /** Names that cells have without an import. */
  builtIns: readonly Imports[];
  /** Shared with the user thread. */
  cellState: Int32Array;
  post(message: ToUser): void;
}

type Handler = (request: Message, channel: RouterName) => Json | Promise<Json | null> | null;

export class Server {
  readonly #options: ServerOptions;
  readonly #channels: Channels;
  readonly #language: Language;
  readonly #history = new History();
  readonly #executions: Executions;
  readonly #interrupter: Interrupter;
  readonly #stdin: Stdin;
  readonly #requests = new Map<string, Message>();
  readonly #running = new Map<string, (result: ExecutionResult) => void>();
  #comms: Record<string, { target_name: string }> = {};
  #practised = 0;
  #rest: NodeJS.Timeout | undefined;

  /** Requests that are answered at once, whatever a cell is doing. */
  readonly #handlers: Record<string, Handler> = {
    kernel_info_request: () => this.#kernelInfo(),
    is_complete_request: ({ content }) => ({
      ...completeness(this.#language.typescript, String(content['code'] ?? '')),
    }),
    complete_request: ({ content }) => this.#complete(content),
    inspect_request: ({ content }) => this.#inspect(content),
    history_request: ({ content }) => this.#history.query(content),
    comm_info_request: ({ content }) => this.#commInfo(content),
    comm_open: (request) => this.#forwardComm(request),
    comm_msg: (request) => this.#forwardComm(request),
    comm_close: (request) => this.#forwardComm(request),
    interrupt_request: () => this.#interrupt(),
  };

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#channels = new Channels(options.connection);
    this.#language = new Language(options.location, options.builtIns, ({ names }) =>
      options.post({ type: 'warm', names: [...names] }),
    );
    this.#interrupter = new Interrupter(options.post, options.cellState);
    this.#stdin = new Stdin(this.#channels);
    this.#executions = new Executions(this.#channels, this.#language, this.#history, (cell) =>
      this.#runInUserThread(cell),
    );
  }

  async start(): Promise<void> {
    await this.#channels.bind();
    void this.#channels.publish({ type: 'status', content: { execution_state: 'starting' } });
    void this.#serveStdin();
    void this.#serve('control');
    void this.#serve('shell');
    this.#practiseAtRest();
  }

  /** A message from the user thread. */
  receive(message: ToServer): void {
    switch (message.type) {
      case 'iopub': {
        const parent = this.#requests.get(message.parent)?.header;
        void this.#channels.publish({ ...message, type: message.messageType, parent });
        break;
      }
      case 'done':
        this.#running.get(message.parent)?.(JSON.parse(message.result) as ExecutionResult);
        this.#running.delete(message.parent);
        break;
      case 'gone':
        this.#running.get(message.parent)?.({ ok: false, error: INTERRUPTED });
        this.#running.delete(message.parent);
        break;
      case 'comms':
        this.#comms = message.open;
        break;
      case 'input':
        this.#stdin.ask(this.#requests.get(message.parent), message.prompt, message.password, message.answer);
        break;
    }
  }

  #runInUserThread(cell: Cell): Promise<ExecutionResult> {
    return new Promise((resolve) => {
      this.#running.set(cell.parent, resolve);
      this.#options.post({ type: 'execute', cell });
    });
  }

  async #serve(channel: RouterName): Promise<void> {
    for await (const request of this.#channels.receive(channel, warnInvalid)) await this.#dispatch(request, channel);
  }

  async #serveStdin(): Promise<void> {
    for await (const { header, content } of this.#channels.receive('stdin', warnInvalid)) {
      if (header.msg_type === 'input_reply') this.#stdin.answer(String(content['value'] ?? ''));
    }
  }

  async #dispatch(request: Message, channel: RouterName): Promise<void> {
    const type = request.header.msg_type;
    this.#remember(request);
    this.#practiseAtRest();
    if (type === 'execute_request') {
      this.#executions.enqueue(request);
      return;
    }
    void this.#publishState('busy', request);
    if (type === 'shutdown_request') {
      await this.#shutdown(request, channel);
      return;
    }
    await this.#answer(request, channel);
    void this.#publishState('idle', request);
  }

  /** Each request begins a new wait; a cell that runs is not disturbed. */
  #practiseAtRest(): void {
    clearTimeout(this.#rest);
    if (this.#practised >= PRACTICE_RUNS) return;
    this.#rest = setTimeout(() => {
      if (this.#executions.current === null) {
        this.#language.practise(this.#practised++);
      }
      this.#practiseAtRest();
    }, REST_MS);
  }

  async #answer(request: Message, channel: RouterName): Promise<void> {
    const type = request.header.msg_type;
    const replyType = type.replace(/_request$/, '_reply');
    const handler = this.#handlers[type];
    if (!handler) return;
    try {
      const content = await handler(request, channel);
      if (content) await this.#channels.reply(channel, request, { type: replyType, content });
    } catch (error) {
      const { name, message, stack } = error as Error;
      process.stderr.write(`kernel: ${type} failed: ${stack ?? message}\n`);
      const content = { status: 'error', ename: name, evalue: message, traceback: [] };
      if (replyType !== type) await this.#channels.reply(channel, request, { type: replyType, content });
    }
  }

  #publishState(state: 'busy' | 'idle', { header: parent }: Message): Promise<void> {
    return this.#channels.publish({ type: 'status', content: { execution_state: state }, parent });
  }

  #remember(request: Message): void {
    this.#requests.set(request.header.msg_id, request);
    if (this.#requests.size <= REMEMBERED_REQUESTS) return;
    const [oldest] = this.#requests.keys();
    if (oldest !== undefined) this.#requests.delete(oldest);
  }

  #kernelInfo(): Json {
    const { version } = this.#language;
    return {
      status: 'ok',
      protocol_version: PROTOCOL_VERSION,
      implementation: 'reward-forcing',
      implementation_version: this.#options.version,
      banner: `reward-forcing ${this.#options.version} (TypeScript ${version}, Node.js ${process.version})`,
      help_links: [],
      supported_features: [],
      debugger: false,
      language_info: {
        name: 'typescript',
        version,
        mimetype: 'text/typescript',
        file_extension: '.ts',
        pygments_lexer: 'typescript',
        codemirror_mode: { name: 'javascript', typescript: true, mode: 'typescript' },
        nbconvert_exporter: 'script',
      },
    };
  }

  #complete(content: Json): Json {
    const code = String(content['code'] ?? '');
    const position = toUtf16(code, Number(content['cursor_pos'] ?? 0));
    const completion = this.#language.complete(code, position);
    const start = toCharacters(code, completion.start);
    const end = toCharacters(code, completion.end);
    const types = completion.matches.map(({ text, kind }) => ({ start, end, text, type: kind }));
    return {
      status: 'ok',
      matches: completion.matches.map(({ text }) => text),
      cursor_start: start,
      cursor_end: end,
      metadata: { _jupyter_types_experimental: types },
    };
  }

  #inspect(content: Json): Json {
    const code = String(content['code'] ?? '');
    const found = this.#language.inspect(code, toUtf16(code, Number(content['cursor_pos'] ?? 0)));
    return { status: 'ok', found: found !== null, data: found ? hoverBundle(found) : {}, metadata: {} };
  }

  #commInfo(content: Json): Json {
    const target = content['target_name'];
    const open = Object.entries(this.#comms).filter(([, comm]) => !target || comm.target_name === target);
    return { status: 'ok', comms: Object.fromEntries(open) };
  }

  #forwardComm({ header, content, metadata, buffers }: Message): null {
    this.#options.post({
      type: 'comm',
      parent: header.msg_id,
      messageType: header.msg_type,
      content,
      metadata,
      buffers,
    });
    return null;
  }

  async #interrupt(): Promise<Json> {
    this.#stdin.interrupt();
    this.#executions.interrupt();
    const { current } = this.#executions;
    if (current) await this.#interrupter.interrupt(current.header.msg_id);
    return { status: 'ok' };
  }

  async #shutdown(request: Message, channel: RouterName): Promise<void> {
    const content = { status: 'ok', restart: request.content['restart'] === true };
    await this.#channels.reply(channel, request, { type: 'shutdown_reply', content });
    await this.#publishState('idle', request);
    this.#interrupter.close();
    this.#language.close();
    await this.#channels.close();
    this.#options.post({ type: 'exit' });
  }
}

function warnInvalid(error: Error): void {
  process.stderr.write(`kernel: a message was dropped: ${error.message}\n`);
}
