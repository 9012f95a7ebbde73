/** What a file says of itself, read in another way than the library does: plain, slow, and only for small files. */
import { crc32 } from 'node:zlib';

/** Why the bytes of a file contradict each other; null where nothing in them does. */
export function contradiction(name: string, bytes: Buffer): string | null {
  if (name.endsWith('.json')) return jsonContradiction(bytes);
  if (name.endsWith('.safetensors')) return safetensorsContradiction(bytes);
  return bytes.toString('latin1', 0, 2) === 'PK' ? zipContradiction(bytes) : null;
}

function jsonContradiction(bytes: Uint8Array): string | null {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  if (!Buffer.from(text).equals(bytes)) return 'text that is not UTF-8';
  try {
    JSON.parse(text);
  } catch {
    return 'no JSON';
  }
  return nameTwice(text);
}

/** Follows the brackets outside of texts and remembers the names of each object under way. */
function nameTwice(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  const tokens = text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[[\]{}]/gs);
  for (const [token, colon] of tokens) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (colon !== undefined) {
      const name = JSON.parse(token.slice(0, -colon.length)) as string;
      const names = open.at(-1);
      // Names deep inside of fields that nobody reads are nobody's.
      if (names?.has(name) && open.length <= 2) return `the name ${name} twice`;
      names?.add(name);
    }
  }
  return null;
}

function safetensorsContradiction(bytes: Buffer): string | null {
  if (bytes.length < 8) return 'too short';
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  if (end > bytes.length) return 'a header beyond the file';
  const header = bytes.subarray(8, end);
  const fault = jsonContradiction(header);
  if (fault !== null) return fault;
  const fields = JSON.parse(header.toString('utf8')) as Record<string, { data_offsets: [number, number] }>;
  const ranges = Object.entries(fields)
    .filter(([name]) => name !== '__metadata__')
    .map(([, { data_offsets }]) => data_offsets)
    .sort(([a, b], [c, d]) => a - c || b - d);
  let at = 0;
  for (const [begin, after] of ranges) {
    if (begin !== at) return `a tensor begins at ${begin}, the one before ends at ${at}`;
    at = after;
  }
  return at === bytes.length - end ? null : 'tensors do not fill the file';
}

/** Compares each entry of the directory with the header it points to and the checksum with the bytes. */
function zipContradiction(bytes: Buffer): string | null {
  const end = bytes.lastIndexOf(Buffer.from('504b0506', 'hex'));
  if (end < 0) return 'no end';
  const seen = new Set<string>();
  let at = bytes.readUInt32LE(end + 16);
  for (let i = 0; i < bytes.readUInt16LE(end + 10); i++) {
    const name = bytes.toString('latin1', at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    if (seen.has(name)) return `${name} twice`;
    seen.add(name);
    const [crc, size, local] = [16, 24, 42].map((field) => bytes.readUInt32LE(at + field)) as [number, number, number];
    const isRead = name.endsWith('/data.pkl') || name.includes('/data/');
    if (isRead && bytes.toString('latin1', local + 30, local + 30 + bytes.readUInt16LE(local + 26)) !== name) {
      return `${name} is elsewhere`;
    }
    const begin = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    if (isRead && crc32(bytes.subarray(begin, begin + size)) !== crc) return `${name} is not what its checksum says`;
    at += 46 + [28, 30, 32].reduce((sum, field) => sum + bytes.readUInt16LE(at + field), 0);
  }
  return null;
}
