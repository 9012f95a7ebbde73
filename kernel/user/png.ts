/** At what size a PNG wants to be shown. Source: PNG specification 1.2, chunk pHYs. */

const SIGNATURE_BYTES = 8;
const CHUNK_OVERHEAD = 12;
const METRE = 1;
/** 72 dots an inch: one dot of such a picture is one pixel of the page. */
const PAGE_DOTS_PER_METRE = 72 / 0.0254;

export interface DisplaySize {
  width: number;
  height: number;
}

/** Width and height on the page of a picture that was drawn finer than the page's pixels; null for all others. */
export function finePngSize(bytes: Uint8Array): DisplaySize | null {
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
