/** The queue of cells: one at a time, in order, each with its busy and idle. */
import type { Cell, ErrorReport, ExecutionResult, MimeData } from '../bridge.ts';
import type { Channels } from '../protocol/channels.ts';
import type { Json, Message } from '../protocol/wire.ts';
import type { History } from './history.ts';
import { hoverBundle } from './hover.ts';
import { DiagnosticsError, type Language } from './language.ts';
import { type Query, readQuery } from './syntax.ts';

/** Runs a converted cell in the user thread. */
export type RunInUserThread = (cell: Cell) => Promise<ExecutionResult>;

/** A cell's result, with pages for the front end's pager. */
type Looked = ExecutionResult & { ok: true; payload?: Json[] };

/** Of a cell whose code was kept from running. */
export const INTERRUPTED: ErrorReport = {
  ename: 'KeyboardInterrupt',
  evalue: 'the cell was interrupted before it ran',
  traceback: ['KeyboardInterrupt: the cell was interrupted before it ran'],
};

interface Options {
  silent: boolean;
  storeHistory: boolean;
  stopOnError: boolean;
}

export class Executions {
  readonly #channels: Channels;
  readonly #language: Language;
  readonly #history: History;
  readonly #run: RunInUserThread;
  #queue: Message[] = [];
  #isRunning = false;
  #current: Message | null = null;
  #isInterrupted = false;
  #count = 0;

  constructor(channels: Channels, language: Language, history: History, run: RunInUserThread) {
    this.#channels = channels;
    this.#language = language;
    this.#history = history;
    this.#run = run;
  }

  /** The request whose cell is running. */
  get current(): Message | null {
    return this.#current;
  }

  /** Keeps the current cell from reaching the user thread, if it has not yet. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  enqueue(request: Message): void {
    this.#queue.push(request);
    void this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // One turn of the loop later, so that requests that arrived together are aborted together after an error.
    await new Promise((resolve) => setImmediate(resolve));
    for (let request = this.#queue.shift(); request; request = this.#queue.shift()) await this.#execute(request);
    this.#isRunning = false;
  }

  async #execute(request: Message): Promise<void> {
    const { header, content } = request;
    const options = readOptions(content);
    const code = String(content['code'] ?? '');
    this.#current = request;
    this.#isInterrupted = false;
    this.#publishState('busy', request);
    if (options.storeHistory) this.#history.add(++this.#count, code);
    const executionCount = this.#count;
    if (!options.silent) {
      const input = { code, execution_count: executionCount };
      await this.#channels.publish({ type: 'execute_input', content: input, parent: header });
    }
    const query = readQuery(code);
    const result = query
      ? await this.#look(query, request, options.silent).catch(failure)
      : await this.#evaluate(header.msg_id, `cell-${executionCount}.ts`, code);
    if (result.ok) await this.#replyOk(request, executionCount, result, options);
    else await this.#replyError(request, executionCount, result.error, options);
    this.#current = null;
    this.#publishState('idle', request);
    if (!result.ok && options.stopOnError) this.#abortQueue();
  }

  async #evaluate(parent: string, name: string, code: string): Promise<ExecutionResult> {
    try {
      const made = this.#language.convert(code, name);
      if (this.#isInterrupted) return { ok: false, error: INTERRUPTED };
      const result = await this.#run({ parent, name, ...made });
      // Also after an error: what was declared before it, or before an interrupt, is there.
      this.#language.commit(made.converted, code);
      return result;
    } catch (error) {
      return failure(error);
    }
  }

  /** Answers `name?` with a page, as IPython does; front ends show it in their pager or below the cell. */
  async #look({ name, withSource }: Query, { header }: Message, silent: boolean): Promise<Looked> {
    const found = this.#language.inspect(name, name.length);
    if (!found) {
      const content = { name: 'stdout', text: `Object \`${name}\` not found.\n` };
      if (!silent) await this.#channels.publish({ type: 'stream', content, parent: header });
      return { ok: true };
    }
    const source = withSource ? await this.#sourceOf(name, header.msg_id) : '';
    return { ok: true, payload: [{ source: 'page', data: hoverBundle(found, source), start: 0 }] };
  }

  /** As the cell that declares it says, or as the function that it is; empty for all else. */
  async #sourceOf(name: string, parent: string): Promise<string> {
    const declared = this.#language.source(name);
    if (declared !== null) return declared;
    const asText = `typeof ${name} === 'function' ? String(${name}) : ''`;
    const shown = `({ [Symbol.for('Jupyter.display')]: () => ({ 'text/plain': ${asText} }) })`;
    const result = await this.#evaluate(parent, 'expression.ts', shown);
    return result.ok ? String(result.data?.['text/plain'] ?? '') : '';
  }

  async #replyOk(request: Message, count: number, result: Looked, options: Options): Promise<void> {
    if (result.data && !options.silent) {
      const content = { execution_count: count, data: result.data, metadata: result.metadata ?? {} };
      await this.#channels.publish({ type: 'execute_result', content, parent: request.header });
    }
    const expressions = await this.#userExpressions(request);
    const { payload = [] } = result;
    const content = { status: 'ok', execution_count: count, payload, user_expressions: expressions };
    await this.#channels.reply('shell', request, { type: 'execute_reply', content });
  }

  async #replyError(request: Message, count: number, error: ErrorReport, options: Options): Promise<void> {
    if (!options.silent) await this.#channels.publish({ type: 'error', content: { ...error }, parent: request.header });
    const content = { status: 'error', execution_count: count, ...error, payload: [], user_expressions: {} };
    await this.#channels.reply('shell', request, { type: 'execute_reply', content });
  }

  async #userExpressions(request: Message): Promise<Json> {
    const asked = request.content['user_expressions'];
    if (typeof asked !== 'object' || asked === null) return {};
    const answers: Json = {};
    for (const [name, expression] of Object.entries(asked)) {
      const result = await this.#evaluate(request.header.msg_id, 'expression.ts', String(expression));
      answers[name] = result.ok
        ? { status: 'ok', data: result.data ?? ({ 'text/plain': 'undefined' } satisfies MimeData), metadata: {} }
        : { status: 'error', ...result.error };
    }
    return answers;
  }

  #abortQueue(): void {
    const aborted = this.#queue;
    this.#queue = [];
    for (const request of aborted) {
      this.#publishState('busy', request);
      const content = { status: 'aborted', execution_count: this.#count };
      void this.#channels.reply('shell', request, { type: 'execute_reply', content });
      this.#publishState('idle', request);
    }
  }

  #publishState(state: 'busy' | 'idle', { header: parent }: Message): void {
    void this.#channels.publish({ type: 'status', content: { execution_state: state }, parent });
  }
}

/** Errors of the kernel itself, and what the type check found. */
function failure(error: unknown): ExecutionResult & { ok: false } {
  if (error instanceof DiagnosticsError) return { ok: false, error: error.report };
  const { name, message, stack } = error as Error;
  return { ok: false, error: { ename: name, evalue: message, traceback: (stack ?? message).split('\n') } };
}

function readOptions(content: Json): Options {
  const silent = content['silent'] === true;
  return {
    silent,
    storeHistory: !silent && content['store_history'] !== false,
    stopOnError: content['stop_on_error'] !== false,
  };
}
