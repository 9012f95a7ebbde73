/**
 * What a cell can call without an import: `display`, `html`, `markdown`, `progress`, `input`, `clearOutput`, `kernel`.
 *
 * The functions are bound to the kernel that runs in this process by `bindNotebook`; outside a kernel they say so.
 */
import { randomUUID } from 'node:crypto';
import type { MimeData } from '../bridge.ts';
import type { Json } from '../protocol/wire.ts';
import type { Comms } from './comms.ts';
import { DISPLAY, type MimeBundle, toMimeBundleNow } from './mime.ts';

/** What the session offers to these functions. */
export interface Session {
  readonly signal: AbortSignal;
  readonly comms: Comms;
  publish(messageType: string, content: Json): void;
  input(prompt: string, password: boolean): string;
  /** Lets the cell end only when `work` has. */
  defer(work: Promise<void>): void;
}

let session: Session | null = null;

export function bindNotebook(bound: Session): void {
  session = bound;
}

function current(): Session {
  if (!session)
    throw new Error('this function works in a notebook only: no reward-forcing kernel runs in this process');
  return session;
}

/** A display that can be drawn again in its place. */
export interface DisplayHandle {
  readonly id: string;
  update(value: unknown): void;
}

/** Shows a value now; `id` names the display so that later calls can update it. */
export function display(value: unknown, options: { id?: string } = {}): DisplayHandle {
  const id = options.id ?? randomUUID();
  show('display_data', value, id);
  return { id, update: (next) => show('update_display_data', next, id) };
}

function show(messageType: string, value: unknown, id: string): void {
  const bound = current();
  const publish = ({ data, metadata }: MimeBundle): void =>
    bound.publish(messageType, { data, metadata, transient: { display_id: id } });
  const bundle = toMimeBundleNow(value);
  if (bundle instanceof Promise) bound.defer(bundle.then(publish));
  else publish(bundle);
}

interface Shown {
  [DISPLAY](): MimeData;
}

/** HTML as a template tag: html`<b>${text}</b>`; interpolated values are inserted as they are. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): Shown {
  const text = String.raw(strings, ...values);
  return { [DISPLAY]: () => ({ 'text/html': text, 'text/plain': text.replace(/<[^>]+>/g, '') }) };
}

/** Markdown as a template tag. */
export function markdown(strings: TemplateStringsArray, ...values: unknown[]): Shown {
  const text = String.raw(strings, ...values);
  return { [DISPLAY]: () => ({ 'text/markdown': text, 'text/plain': text }) };
}

/** Removes the cell's output; with `wait` only when new output arrives. */
export function clearOutput(wait = false): void {
  current().publish('clear_output', { wait });
}

/** Asks the person at the notebook and waits for the answer. Throws where the front end allows no input. */
export function input(prompt = '', options: { password?: boolean } = {}): string {
  return current().input(prompt, options.password ?? false);
}

const BAR_INTERVAL_MS = 100;

/** Passes items through and shows a bar with rate and time left: `for await (const step of progress(run, { total }))`. */
export async function* progress<T>(
  items: Iterable<T> | AsyncIterable<T>,
  options: { total?: number; label?: string } = {},
): AsyncGenerator<T, void, undefined> {
  const total = options.total ?? (Array.isArray(items) ? items.length : undefined);
  const started = Date.now();
  let done = 0;
  let drawn = 0;
  const bar = (): Shown => progressBar(done, total, (Date.now() - started) / 1000, options.label ?? '');
  const handle = display(bar());
  try {
    for await (const item of items) {
      yield item;
      done++;
      if (Date.now() - drawn < BAR_INTERVAL_MS) continue;
      handle.update(bar());
      drawn = Date.now();
    }
  } finally {
    handle.update(bar());
  }
}

function progressBar(done: number, total: number | undefined, seconds: number, label: string): Shown {
  const rate = seconds > 0 ? done / seconds : 0;
  const left = total !== undefined && rate > 0 ? ` · ${formatSeconds((total - done) / rate)} left` : '';
  const text = `${label ? `${label} ` : ''}${done}/${total ?? '?'} · ${formatSeconds(seconds)} · ${rate.toPrecision(3)}/s${left}`;
  const max = total === undefined ? '' : ` max="${total}"`;
  const bar = `<progress value="${done}"${max} style="width:20em;vertical-align:middle"></progress> <code>${escapeHtml(text)}</code>`;
  return { [DISPLAY]: () => ({ 'text/html': bar, 'text/plain': text }) };
}

function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.round(seconds - minutes * 60)} s`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);
}

/** The kernel itself: the running cell's AbortSignal and the comms. */
export const kernel: { readonly signal: AbortSignal; readonly comms: Comms } = {
  /** Aborted when the cell is interrupted: pass it to long work. */
  get signal(): AbortSignal {
    return current().signal;
  },
  /** Channels to the front end, for widgets. */
  get comms(): Comms {
    return current().comms;
  },
};

/** All that a cell has without an import; the types come from the exports of the same names. */
export const notebookFunctions: Readonly<Record<string, unknown>> = {
  display,
  html,
  markdown,
  progress,
  input,
  clearOutput,
  kernel,
};
