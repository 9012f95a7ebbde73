/**
 * The records of a ZIP file. PyTorch stores tensors and pickles as they are and compresses only the code of TorchScript
 * archives, which is never read here; ZIP64 included.
 * Format: APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
 */
import type { FileHandle } from 'node:fs/promises';
import { bytesFor, fillBytes, fillBytesSync } from './bytes.ts';

/** A PyTorch file that is broken, or that holds more than tensors and plain values. */
export class PthError extends Error {
  override name = 'PthError';
}

/** The bytes [begin, begin + length) of a file, at the start of `shared` if they fit, or in a buffer of their own. */
export async function readRange(
  file: FileHandle,
  begin: number,
  length: number,
  shared?: Uint8Array,
): Promise<Uint8Array> {
  if (begin < 0) throw new PthError('the file is too short');
  const bytes = bytesFor(length, shared);
  checkEnd(begin, await fillBytes(file, bytes, begin), length);
  return bytes;
}

/** As {@link readRange}, of an open file descriptor, at once: for the few bytes of a header, or to stand in for mapping. */
export function readRangeSync(file: number, begin: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  checkEnd(begin, fillBytesSync(file, bytes, begin), length);
  return bytes;
}

function checkEnd(begin: number, done: number, length: number): void {
  if (done < length) throw new PthError(`the file ends at byte ${begin + done}, ${length - done} bytes early`);
}

/** Where a record's central entry says it is. */
export interface ZipRecord {
  readonly size: number;
  /** Position of its local header. */
  readonly header: number;
  /** Whether its bytes are in the file as they are. */
  readonly isStored: boolean;
}

const endSignature = 0x06054b50;
const endLength = 22;
const locatorSignature = 0x07064b50;
const locatorLength = 20;
const end64Signature = 0x06064b50;
const entrySignature = 0x02014b50;
const entryLength = 46;
const localSignature = 0x04034b50;
const localLength = 30;
const maxComment = 0xffff;
/** A checkpoint of 10,000 tensors has a directory of about 1 MB. */
const maxDirectory = 2 ** 26;

/** Reads the central directory: names and places of all records. */
export async function readZipDirectory(file: FileHandle, fileSize: number): Promise<Map<string, ZipRecord>> {
  const { offset, size } = await findDirectory(file, fileSize);
  if (size > maxDirectory || offset + size > fileSize) {
    throw new PthError(`the ZIP directory (${size} bytes at ${offset}) does not fit the file of ${fileSize} bytes`);
  }
  const directory = Buffer.from((await readRange(file, offset, size)).buffer);
  const records = new Map<string, ZipRecord>();
  for (let at = 0; at < size; ) {
    const { name, record, length } = parseEntry(directory, at, offset);
    if (records.has(name)) throw new PthError(`record "${name}" is there twice`);
    records.set(name, record);
    at += length;
  }
  return records;
}

/**
 * Position of a record's first byte: its local header may be longer than the central entry.
 *
 * @throws PthError for a record that is compressed or encrypted, or that leaves the file.
 */
export function zipRecordStart(file: number, record: ZipRecord, fileSize: number): number {
  if (!record.isStored) {
    throw new PthError(`the record at byte ${record.header} is compressed or encrypted; PyTorch stores data as it is`);
  }
  const header = Buffer.from(readRangeSync(file, record.header, localLength).buffer);
  if (header.readUInt32LE(0) !== localSignature) throw new PthError(`no record begins at byte ${record.header}`);
  const start = record.header + localLength + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + record.size > fileSize)
    throw new PthError(`a record of ${record.size} bytes at ${start} leaves the file`);
  return start;
}

/** The end record is the last thing in the file but for a comment; sizes of 64 bits are in a record before it. */
async function findDirectory(file: FileHandle, fileSize: number): Promise<{ offset: number; size: number }> {
  const length = Math.min(fileSize, endLength + maxComment);
  const tail = Buffer.from((await readRange(file, fileSize - length, length)).buffer);
  let at = length - endLength;
  while (at >= 0 && tail.readUInt32LE(at) !== endSignature) at--;
  if (at < 0) throw new PthError('the file has no ZIP directory; has it been cut short while downloading?');
  const size = tail.readUInt32LE(at + 12);
  const offset = tail.readUInt32LE(at + 16);
  const locator = at - locatorLength;
  if (locator < 0 || tail.readUInt32LE(locator) !== locatorSignature) return { offset, size };
  const end64 = await readRange(file, toNumber(tail.readBigUInt64LE(locator + 8), fileSize - 56), 56);
  const fields = Buffer.from(end64.buffer);
  if (fields.readUInt32LE(0) !== end64Signature) throw new PthError('the ZIP64 end record is missing');
  return {
    size: toNumber(fields.readBigUInt64LE(40), fileSize),
    offset: toNumber(fields.readBigUInt64LE(48), fileSize),
  };
}

function parseEntry(directory: Buffer, at: number, fileLimit: number) {
  if (at + entryLength > directory.length || directory.readUInt32LE(at) !== entrySignature) {
    throw new PthError(`entry at byte ${at} of the ZIP directory is broken`);
  }
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
  const nameEnd = at + entryLength + nameLength!;
  const length = entryLength + nameLength! + extraLength! + commentLength!;
  if (at + length > directory.length) throw new PthError('the ZIP directory ends within an entry');
  const name = directory.toString('utf8', at + entryLength, nameEnd);
  const place = entryPlace(directory, at, directory.subarray(nameEnd, nameEnd + extraLength!), fileLimit);
  const [flags, method] = [directory.readUInt16LE(at + 8), directory.readUInt16LE(at + 10)];
  const isStored = method === 0 && place.packed === place.size && (flags & 1) === 0;
  return { name, record: { size: place.size, header: place.header, isStored }, length };
}

/** Sizes and position of an entry; those that read 2^32 − 1 are in the extra field 1, in this order. */
function entryPlace(directory: Buffer, at: number, extra: Buffer, limit: number) {
  const wide = zip64Values(extra);
  const read = (field: number): number => {
    const value = directory.readUInt32LE(at + field);
    if (value !== 0xffffffff) return toNumber(BigInt(value), limit);
    const next = wide.shift();
    if (next === undefined) throw new PthError('a ZIP64 size is missing');
    return toNumber(next, limit);
  };
  const size = read(24);
  return { size, packed: read(20), header: read(42) };
}

function zip64Values(extra: Buffer): bigint[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    const end = Math.min(at + 4 + length, extra.length);
    if (extra.readUInt16LE(at) === 1) {
      const count = Math.floor((end - at - 4) / 8);
      return Array.from({ length: count }, (_, i) => extra.readBigUInt64LE(at + 4 + 8 * i));
    }
    at = end;
  }
  return [];
}

function toNumber(value: bigint, limit: number): number {
  if (value > BigInt(Math.max(limit, 0))) throw new PthError(`a size or position of ${value} leaves the file`);
  return Number(value);
}
