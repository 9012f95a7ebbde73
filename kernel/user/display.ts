/** Showing values, now and again in the same place. */
import { randomUUID } from 'node:crypto';
import type { MimeData } from '../bridge.ts';
import { current } from './bound.ts';
import { DISPLAY, type MimeBundle, toMimeBundle } from './mime.ts';
import { bare, pristine } from './own.ts';

/** What decides itself how it is shown. */
export interface Shown {
  [DISPLAY](): MimeData | Promise<MimeData>;
}

/** A display that can be drawn again in its place. As a cell's value it shows nothing more. */
export interface DisplayHandle extends Shown {
  readonly id: string;
  update(value: unknown): void;
}

/** Shows a value now; `id` names the display so that later calls can update it. */
export function display(value: unknown, options: { id?: string } = {}): DisplayHandle {
  const id = options.id ?? randomUUID();
  show('display_data', value, id);
  return bare({ id, update: (next: unknown) => show('update_display_data', next, id), [DISPLAY]: () => ({}) });
}

/** Where something is shown: a display's id, or the end of the cell's output. */
type Place = string | typeof END;
const END: unique symbol = Symbol('end of the output');

/** What a cell is still drawing, by place: later messages to the place wait for it. A cell is known by its signal. */
const drawings = new WeakMap<AbortSignal, Map<Place, Promise<void>>>();

/** New displays appear in the order of the calls; an update waits only for what its own place shows. */
function show(messageType: 'display_data' | 'update_display_data', value: unknown, id: string): void {
  const publish = ({ data, metadata }: MimeBundle): void =>
    current().publish(messageType, { data, metadata, transient: { display_id: id } });
  const places: Place[] = messageType === 'display_data' ? [END, id] : [id];
  pristine(() => publishInTurn(toMimeBundle(value), publish, places));
}

/**
 * Publishes what was made once nothing is pending in `places`, at once where nothing has to be waited for. What an
 * interrupted cell was drawing is never shown.
 */
function publishInTurn<T>(made: T | Promise<T>, publish: (made: T) => void, places: readonly Place[]): void {
  const { signal } = current();
  const pending = drawings.get(signal) ?? new Map<Place, Promise<void>>();
  const before = places.flatMap((place) => pending.get(place) ?? []);
  if (before.length === 0 && !(made instanceof Promise)) {
    publish(made);
    return;
  }
  const published = Promise.all([made, ...before]).then(([ready]) => {
    if (!signal.aborted) publish(ready);
  });
  const settled: Promise<void> = published
    .catch(() => {})
    .then(() => {
      for (const place of places) if (pending.get(place) === settled) pending.delete(place);
    });
  for (const place of places) pending.set(place, settled);
  drawings.set(signal, pending);
  current().defer(published);
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
  publishInTurn({ wait }, (content) => current().publish('clear_output', content), [END]);
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
