import { crc32 } from 'node:zlib';

/** Texts stored with a picture or video, such as prompt, seed and checkpoint. */
export type Provenance = Readonly<Record<string, string | number>>;

const signatureBytes = 8;
const chunkOverhead = 12;

/** A PNG with texts added as iTXt chunks (UTF-8) right after its header. PNG specification, section 11.3.3. */
export function addPngText(png: Uint8Array, texts: Provenance): Uint8Array {
  const headerEnd = signatureBytes + chunkOverhead + chunkLength(png, signatureBytes);
  const chunks = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, String(text)));
  return Buffer.concat([png.subarray(0, headerEnd), ...chunks, png.subarray(headerEnd)]);
}

/** The iTXt texts of a PNG, by keyword. */
export function readPngText(png: Uint8Array): Map<string, string> {
  const texts = new Map<string, string>();
  for (let at = signatureBytes; at + chunkOverhead <= png.length; at += chunkOverhead + chunkLength(png, at)) {
    const type = Buffer.from(png.subarray(at + 4, at + 8)).toString('latin1');
    if (type !== 'iTXt') continue;
    const body = Buffer.from(png.subarray(at + 8, at + 8 + chunkLength(png, at)));
    const keywordEnd = body.indexOf(0);
    const languageEnd = body.indexOf(0, keywordEnd + 3);
    const translatedEnd = body.indexOf(0, languageEnd + 1);
    texts.set(body.toString('latin1', 0, keywordEnd), body.toString('utf8', translatedEnd + 1));
  }
  return texts;
}

function chunkLength(png: Uint8Array, at: number): number {
  return new DataView(png.buffer, png.byteOffset).getUint32(at);
}

/** Length, type, keyword 0, no compression 0 0, language 0, translated keyword 0, text, checksum of all but the length. */
function textChunk(keyword: string, text: string): Buffer {
  if (!/^[\x20-\x7e]{1,79}$/.test(keyword)) {
    throw new RangeError(`a PNG keyword has 1 to 79 plain characters, received "${keyword}"`);
  }
  const body = Buffer.concat([Buffer.from(`iTXt${keyword}`, 'latin1'), Buffer.alloc(5), Buffer.from(text)]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}
