/** Executes a notebook without any Python. */
import type { KernelClient } from '../client/client.ts';
import type { Json } from '../protocol/wire.ts';
import { type Cell, cellText, hasTag, type Notebook, type Output, OutputArea } from './document.ts';

export interface RunOptions {
  /** Longest time for one cell; the cell is interrupted then. Default: no limit. */
  timeoutMs?: number;
  /** Go on after a cell that failed. Cells tagged `raises-exception` may always fail. */
  allowErrors?: boolean;
  /** Interrupts the cell that runs and starts no other. */
  signal?: AbortSignal;
  /** Called before each code cell, with the cells above it, and with each of its stream texts and displays. */
  onCell?: (index: number, total: number, before: readonly Cell[]) => void;
  onText?: (text: string) => void;
  onDisplay?: (data: Json) => void;
}

export interface RunResult {
  notebook: Notebook;
  /** The first error that stopped the run. */
  error: { cell: number; ename: string; evalue: string; traceback: string[] } | null;
}

/** Longest setTimeout that Node takes. */
const NO_LIMIT_MS = 2 ** 31 - 1;

/**
 * Runs all code cells in order and returns the notebook with its outputs, up to the cell that a signal or an error
 * ended; the kernel is left running.
 */
export async function runNotebook(
  notebook: Notebook,
  kernel: KernelClient,
  options: RunOptions = {},
): Promise<RunResult> {
  const displays = new Map<string, Output[]>();
  const cells = notebook.cells.map((cell) => ({
    ...cell,
    ...(cell.cell_type === 'code' && { outputs: [], execution_count: null }),
  }));
  const run = { ...notebook, cells };
  const code = cells.map((cell, index) => ({ cell, index })).filter(({ cell }) => cell.cell_type === 'code');
  for (const [position, { cell, index }] of code.entries()) {
    if (options.signal?.aborted) break;
    options.onCell?.(position + 1, code.length, cells.slice(0, index));
    const reply = await runCell(cell, kernel, displays, options);
    const failed = reply['status'] !== 'ok' && !hasTag(cell, 'raises-exception') && !options.allowErrors;
    if (failed) return { notebook: run, error: { cell: index, ...errorOf(reply) } };
  }
  return { notebook: run, error: null };
}

async function runCell(
  cell: Cell,
  kernel: KernelClient,
  displays: Map<string, Output[]>,
  options: RunOptions,
): Promise<Json> {
  const area = new OutputArea(displays);
  const { timeoutMs, signal, onText, onDisplay } = options;
  cell.outputs = area.outputs;
  const source = cellText(cell);
  if (source.trim() === '') return { status: 'ok' };
  const stop = (): void => void interrupt(kernel);
  const timer = timeoutMs === undefined ? undefined : setTimeout(stop, timeoutMs);
  signal?.addEventListener('abort', stop);
  const started = new Date().toISOString();
  const executed = kernel.execute(source, { stop_on_error: true }, NO_LIMIT_MS, (message) => {
    area.apply(message);
    // An interrupt may overtake the cell on its way to the kernel, which then knows of nothing to stop.
    if (message.header.msg_type === 'execute_input' && signal?.aborted) stop();
    if (message.header.msg_type === 'stream') onText?.(String(message.content['text']));
    if (message.header.msg_type.endsWith('display_data')) onDisplay?.(message.content['data'] as Json);
  });
  const { reply } = await executed.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  });
  for (const output of area.outputs) dropView(output);
  cell.execution_count = typeof reply['execution_count'] === 'number' ? reply['execution_count'] : null;
  cell.metadata = { ...cell.metadata, execution: { started, ended: new Date().toISOString() } };
  return reply;
}

const VIEW = 'application/vnd.jupyter.widget-view+json';

/** A stored view of a widget would show an error where its model is gone: the picture beside it stays. */
function dropView({ data }: Output): void {
  const forms = (data ?? {}) as Json;
  if (Object.keys(forms).some((type) => type.startsWith('image/') || type === 'text/html')) delete forms[VIEW];
}

/** A kernel that does not even answer is ended. */
async function interrupt(kernel: KernelClient): Promise<void> {
  await kernel.request('control', 'interrupt_request', {}).catch(() => kernel.kill());
}

function errorOf(reply: Json): { ename: string; evalue: string; traceback: string[] } {
  const traceback = Array.isArray(reply['traceback']) ? reply['traceback'].map(String) : [];
  return { ename: String(reply['ename']), evalue: String(reply['evalue']), traceback };
}
