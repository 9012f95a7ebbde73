/** Showing values, now and again in the same place. */
import { randomUUID } from 'node:crypto';
import type { MimeData } from '../bridge.ts';
import { current } from './bound.ts';
import { DISPLAY, type MimeBundle, toMimeBundleNow } from './mime.ts';

/** A display that can be drawn again in its place. */
export interface DisplayHandle {
  readonly id: string;
  update(value: unknown): void;
}

/** What decides itself how it is shown. */
export interface Shown {
  [DISPLAY](): MimeData | Promise<MimeData>;
}

/** Displays whose bundle is still being made: later ones of the same place wait, so that the last stays. */
const pending = new Map<string, Promise<void>>();

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
  const before = pending.get(id);
  if (!before && !(bundle instanceof Promise)) {
    publish(bundle);
    return;
  }
  const shown = Promise.all([bundle, before]).then(([made]) => publish(made));
  const settled: Promise<void> = shown
    .catch(() => {})
    .then(() => {
      if (pending.get(id) === settled) pending.delete(id);
    });
  pending.set(id, settled);
  bound.defer(shown);
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

/** A drawing that follows values as they change. */
export interface Live {
  /** Draws again soon: at once, or when the time between two drawings has passed. */
  refresh(): void;
}

/**
 * Draws in place, again and again, at most every `everyMs`; the last state is drawn before the cell ends.
 * `const chart = live(() => show.curve(history)); for await (const step of run) { ...; chart.refresh(); }`
 */
export function live(draw: () => unknown, options: { everyMs?: number } = {}): Live {
  const everyMs = options.everyMs ?? 500;
  const handle = display(draw());
  let drawn = Date.now();
  let trailing: Promise<void> | null = null;
  const redraw = (): void => {
    trailing = null;
    drawn = Date.now();
    handle.update(draw());
  };
  return {
    refresh: () => {
      const wait = drawn + everyMs - Date.now();
      if (trailing) return;
      if (wait <= 0) {
        redraw();
        return;
      }
      trailing = new Promise((resolve) => setTimeout(resolve, wait)).then(redraw);
      current().defer(trailing);
    },
  };
}
