/** How tensors are shown: shape, type, range and histogram. They are known by their members, not by a class. */
import type { MimeData } from '../bridge.ts';
import { escapeHtml } from '../escape-html.ts';

/** What every TensorFlow.js tensor has. */
export interface TensorLike {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly size: number;
  readonly isDisposed: boolean;
  data(): Promise<ArrayLike<number | string>>;
}

const BINS = 16;
const BARS = '▁▂▃▄▅▆▇█';
/** Tensors up to this size are shown with their values. */
const SHOWN_VALUES = 12;

export function isTensor(value: unknown): value is TensorLike {
  if (typeof value !== 'object' || value === null) return false;
  const { shape, dtype, data, isDisposed } = value as Partial<TensorLike>;
  return (
    Array.isArray(shape) && typeof dtype === 'string' && typeof data === 'function' && typeof isDisposed === 'boolean'
  );
}

/** The bundle of a tensor; reads its values from the engine. */
export async function tensorBundle(tensor: TensorLike): Promise<MimeData> {
  const head = `Tensor ${tensor.dtype} [${tensor.shape.join(', ')}]`;
  if (tensor.isDisposed) return { 'text/plain': `${head} · disposed` };
  const values = await tensor.data();
  const facts = typeof values[0] === 'number' || typeof values[0] === 'boolean' ? numberFacts(values) : [];
  if (values.length <= SHOWN_VALUES) facts.push(Array.from(values, format).join(' '));
  const text = [head, ...facts].join(' · ');
  const items = facts.map((fact) => `<code>${escapeHtml(fact)}</code>`).join(' &nbsp; ');
  return { 'text/html': `<div><b>${escapeHtml(head)}</b> &nbsp; ${items}</div>`, 'text/plain': text };
}

function numberFacts(values: ArrayLike<unknown>): string[] {
  const finite = Array.from(values, Number).filter(Number.isFinite);
  const broken = values.length - finite.length;
  const warning = broken > 0 ? [`${broken} of ${values.length} not finite`] : [];
  if (finite.length < 2) return warning;
  const [low, high] = range(finite);
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  const deviation = Math.sqrt(finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / finite.length);
  const facts = [`${format(low)} … ${format(high)}`, `mean ${format(mean)}`, `deviation ${format(deviation)}`];
  return [...facts, histogram(finite, low, high), ...warning];
}

/** Not Math.min(...values): a tensor may be larger than the stack. */
function range(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** A bar for each sixteenth of the range; a bin with any value in it shows at least the lowest bar. */
function histogram(values: readonly number[], low: number, high: number): string {
  const counts = new Array<number>(BINS).fill(0);
  const scale = high > low ? BINS / (high - low) : 0;
  for (const value of values) {
    const bin = Math.min(BINS - 1, Math.floor((value - low) * scale));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const [, most] = range(counts);
  return counts.map((count) => (count === 0 ? ' ' : BARS[Math.ceil((count / most) * BARS.length) - 1])).join('');
}

function format(value: unknown): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(4))) : JSON.stringify(value);
}
