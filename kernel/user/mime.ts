/** From any value to a MIME bundle. */
import { inspect } from 'node:util';
import type { MimeData } from '../bridge.ts';
import type { Json } from '../protocol/wire.ts';
import { finePngSize } from './png.ts';
import { isTensor, tensorBundle } from './tensor.ts';

/** An object with a method under this symbol decides how it is shown; libraries need no import from the kernel. */
export const DISPLAY: unique symbol = Symbol.for('Jupyter.display') as never;

export interface MimeBundle {
  data: MimeData;
  metadata: Json;
}

type Displayable = { [DISPLAY]: () => unknown };

const PNG_MAGIC = [0x89, 0x50, 0x4e, 0x47];
const JPEG_MAGIC = [0xff, 0xd8, 0xff];
const INSPECT = { depth: 4, maxArrayLength: 50, maxStringLength: 10_000, colors: false } as const;

/** The bundle of `value`; waits for display methods that return promises. */
export async function toMimeBundle(value: unknown): Promise<MimeBundle> {
  return toMimeBundleNow(value);
}

/** As `toMimeBundle` without waiting: a promise is told apart by returning it. */
export function toMimeBundleNow(value: unknown): MimeBundle | Promise<MimeBundle> {
  if (!isDisplayable(value)) return isTensor(value) ? tensorBundle(value).then(normalize) : fallback(value);
  const shown = value[DISPLAY]();
  return shown instanceof Promise ? shown.then(normalize) : normalize(shown);
}

function isDisplayable(value: unknown): value is Displayable {
  return typeof value === 'object' && value !== null && typeof (value as Displayable)[DISPLAY] === 'function';
}

/** Accepts a bare bundle or `{ data, metadata }`; bytes become base64. */
function normalize(shown: unknown): MimeBundle {
  if (typeof shown !== 'object' || shown === null) {
    throw new TypeError(`a Jupyter.display method returned ${inspect(shown)}; wanted an object of MIME types`);
  }
  const { data, metadata } = shown as { data?: unknown; metadata?: unknown };
  const isWrapped = typeof data === 'object' && data !== null && !(data instanceof Uint8Array);
  const bundle = encode((isWrapped ? data : shown) as MimeData);
  return { data: bundle, metadata: { ...sizes(bundle), ...((isWrapped && metadata) || {}) } };
}

function encode(data: MimeData): MimeData {
  const entries = Object.entries(data).map(([mime, value]) => [
    mime,
    value instanceof Uint8Array ? base64(value) : value,
  ]);
  return Object.fromEntries(entries);
}

/** The size on the page of a picture drawn for fine screens: front ends would show it too large. */
function sizes(data: MimeData): Json {
  const png = data['image/png'];
  const size = typeof png === 'string' ? finePngSize(Buffer.from(png, 'base64')) : null;
  return size ? { 'image/png': size } : {};
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Images by their first bytes, Plotly figures by their shape, all else as Node prints it. */
function fallback(value: unknown): MimeBundle {
  if (value instanceof Uint8Array) {
    const image = imageType(value);
    if (image)
      return { data: { [image]: base64(value), 'text/plain': `<${image}, ${value.length} bytes>` }, metadata: {} };
  }
  if (isPlotly(value)) {
    const { data, layout } = value;
    return {
      data: { 'application/vnd.plotly.v1+json': { data, layout }, 'text/plain': '<Plotly figure>' },
      metadata: {},
    };
  }
  return { data: { 'text/plain': inspect(value, INSPECT) }, metadata: {} };
}

function imageType(bytes: Uint8Array): string | null {
  if (PNG_MAGIC.every((byte, i) => bytes[i] === byte)) return 'image/png';
  if (JPEG_MAGIC.every((byte, i) => bytes[i] === byte)) return 'image/jpeg';
  return null;
}

function isPlotly(value: unknown): value is { data: unknown[]; layout: object } {
  if (typeof value !== 'object' || value === null) return false;
  const { data, layout } = value as { data?: unknown; layout?: unknown };
  return Array.isArray(data) && typeof layout === 'object' && layout !== null;
}
