/** Progress bars; loops within loops share one display. */
import { escapeHtml } from '../escape-html.ts';
import { type DisplayHandle, display, type Shown } from './display.ts';
import { DISPLAY } from './mime.ts';
import { pristine } from './own.ts';

interface Bar {
  label: string;
  total: number | undefined;
  started: number;
  done: number;
}

const DRAW_EVERY_MS = 100;

/** Bars of the loops that run now, the outermost first; it owns the display. */
const bars: Bar[] = [];
let handle: DisplayHandle | null = null;
let drawn = 0;

/**
 * Passes items through and shows a bar with rate and time left: `for await (const step of progress(run, { total }))`.
 * Within another such loop it adds a line that goes when the inner loop ends.
 */
export async function* progress<T>(
  items: Iterable<T> | AsyncIterable<T>,
  options: { total?: number; label?: string } = {},
): AsyncGenerator<T, void, undefined> {
  const total = options.total ?? sizeOf(items);
  const bar: Bar = { label: options.label ?? '', total, started: Date.now(), done: 0 };
  bars.push(bar);
  if (bars.length === 1) handle = display(drawing());
  else draw();
  try {
    for await (const item of items) {
      yield item;
      bar.done++;
      if (Date.now() - drawn >= DRAW_EVERY_MS) draw();
    }
  } finally {
    draw();
    bars.splice(bars.indexOf(bar), 1);
  }
}

function sizeOf(items: unknown): number | undefined {
  if (Array.isArray(items)) return items.length;
  return items instanceof Set || items instanceof Map ? items.size : undefined;
}

function draw(): void {
  drawn = Date.now();
  handle?.update(drawing());
}

function drawing(): Shown {
  const lines = pristine(() => bars.map(line));
  const data = {
    'text/html': lines.map(({ html }) => html).join('\n'),
    'text/plain': lines.map(({ text }) => text).join('\n'),
  };
  return { [DISPLAY]: () => data };
}

function line({ label, total, started, done }: Bar): { html: string; text: string } {
  const seconds = (Date.now() - started) / 1000;
  const rate = seconds > 0 ? done / seconds : 0;
  const left = total !== undefined && rate > 0 ? ` · ${formatSeconds((total - done) / rate)} left` : '';
  const head = label === '' ? '' : `${label} `;
  const text = `${head}${done}/${total ?? '?'} · ${formatSeconds(seconds)} · ${rate.toPrecision(3)}/s${left}`;
  const max = total === undefined ? '' : ` max="${total}"`;
  const bar = `<progress value="${done}"${max} style="width:20em;vertical-align:middle"></progress>`;
  return { html: `<div>${bar} <code>${escapeHtml(text)}</code></div>`, text };
}

function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.round(seconds - minutes * 60)} s`;
}
