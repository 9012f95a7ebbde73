/** From any value to a MIME bundle. */
import type { MimeData } from '../bridge.ts';
import type { Json } from '../protocol/wire.ts';
import { textOf } from './errors.ts';
import { bare, pristine } from './own.ts';
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
const SIGNATURE_BYTES = 8;
const CHUNK_OVERHEAD = 12;
const METRE = 1;
/** 72 dots an inch: one dot of such a picture is one pixel of the page. */
const PAGE_DOTS_PER_METRE = 72 / 0.0254;

const INSPECT = { depth: 4, maxArrayLength: 50, maxStringLength: 10_000, colors: false } as const;

/** The bundle of `value`, or a promise of it where its display method or its data take their time. */
export function toMimeBundle(value: unknown): MimeBundle | Promise<MimeBundle> {
  return pristine(() => {
    if (!isDisplayable(value)) return isTensor(value) ? whenReady(tensorBundle(value)) : bare(fallback(value));
    const shown = value[DISPLAY]();
    return isThenable(shown) ? whenReady(shown) : normalize(shown);
  });
}

async function whenReady(shown: unknown): Promise<MimeBundle> {
  const ready = await shown;
  return pristine(() => normalize(ready));
}

function isDisplayable(value: unknown): value is Displayable {
  return typeof value === 'object' && value !== null && typeof (value as Displayable)[DISPLAY] === 'function';
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** Accepts a bare bundle or `{ data, metadata }`; bytes become base64. */
function normalize(shown: unknown): MimeBundle {
  if (typeof shown !== 'object' || shown === null) {
    throw new TypeError(`a Jupyter.display method returned ${textOf(shown)}; wanted an object of MIME types`);
  }
  const { data, metadata } = shown as { data?: unknown; metadata?: unknown };
  const isWrapped = typeof data === 'object' && data !== null && !(data instanceof Uint8Array);
  const bundle = encode((isWrapped ? data : shown) as MimeData);
  return bare({ data: bundle, metadata: { ...sizes(bundle), ...((isWrapped && metadata) || {}) } });
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
  return { data: { 'text/plain': textOf(value, INSPECT) }, metadata: {} };
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

interface DisplaySize {
  width: number;
  height: number;
}

/**
 * Width and height on the page of a picture that was drawn finer than the page's pixels; null for all others.
 * Source: PNG specification 1.2, chunk pHYs.
 */
function finePngSize(bytes: Uint8Array): DisplaySize | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: DisplaySize | null = null;
  for (let at = SIGNATURE_BYTES; at + CHUNK_OVERHEAD <= bytes.length; at += CHUNK_OVERHEAD + view.getUint32(at)) {
    const type = Buffer.from(bytes.buffer, bytes.byteOffset + at + 4, 4).toString('latin1');
    const content = at + 8;
    if (content + 9 > bytes.length || type === 'IDAT') return null;
    if (type === 'IHDR') size = { width: view.getUint32(content), height: view.getUint32(content + 4) };
    if (type !== 'pHYs' || size === null) continue;
    const scale = view.getUint32(content) / PAGE_DOTS_PER_METRE;
    if (view.getUint8(content + 8) !== METRE || scale < 1.5) return null;
    return { width: Math.round(size.width / scale), height: Math.round(size.height / scale) };
  }
  return null;
}
