/**
 * The records of a ZIP file. PyTorch stores tensors and pickles as they are and compresses only the code of TorchScript
 * archives, which is never read here; ZIP64 included. What the directory says must agree with the headers beside the
 * records, and the bytes with their checksums.
 * Format: APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
 */
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { readRange, readRangeSync } from './bytes.ts';
import { quoted } from './json.ts';

/** A PyTorch file that is broken, or that holds more than tensors and plain values. */
export class PthError extends Error {
  override name = 'PthError';
}

/** What its entry in the directory says about a record. */
export interface ZipRecord {
  readonly name: string;
  readonly size: number;
  /** Position of its local header. */
  readonly header: number;
  readonly crc: number;
  readonly method: number;
  readonly flags: number;
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
/** Flags of an encrypted record, and of one whose sizes and checksum follow it. */
const [encrypted, follows] = [1, 8];

/** The records of an archive by name. */
export interface ZipDirectory {
  readonly records: ReadonlyMap<string, ZipRecord>;
  /** False for a file that torch.save wrote without checksums: all of them are 0. */
  readonly hasChecksums: boolean;
}

/** Reads the central directory: names and places of all records. */
export async function readZipDirectory(file: FileHandle, fileSize: number): Promise<ZipDirectory> {
  const { offset, size, count } = await findDirectory(file, fileSize);
  if (size > maxDirectory || offset + size > fileSize) {
    throw new PthError(`the ZIP directory (${size} bytes at ${offset}) does not fit the file of ${fileSize} bytes`);
  }
  const directory = Buffer.from((await readRange(file, offset, size)).buffer);
  const records = new Map<string, ZipRecord>();
  for (let at = 0; at < size; ) {
    const { record, length } = parseEntry(directory, at, offset);
    if (records.has(record.name)) throw new PthError(`record ${quoted(record.name)} is there twice`);
    records.set(record.name, record);
    at += length;
  }
  if (records.size !== count) {
    throw new PthError(`the ZIP directory announces ${count} records and holds ${records.size}`);
  }
  return { records, hasChecksums: [...records.values()].some(({ crc }) => crc !== 0) };
}

/**
 * Position of a record's first byte: its local header may be longer than the central entry.
 *
 * @throws PthError for a record that is compressed or encrypted, that leaves the file, or whose local header tells of
 * another one.
 */
export function zipRecordStart(file: number, record: ZipRecord, fileSize: number): number {
  const where = `record ${quoted(record.name)}`;
  if (!record.isStored) throw new PthError(`${where} is compressed or encrypted; PyTorch stores data as it is`);
  const header = Buffer.from(readRangeSync(file, record.header, localLength).buffer);
  if (header.readUInt32LE(0) !== localSignature) throw new PthError(`no record begins at byte ${record.header}`);
  const nameLength = header.readUInt16LE(26);
  const name = Buffer.from(readRangeSync(file, record.header + localLength, nameLength).buffer).toString('utf8');
  if (name !== record.name) throw new PthError(`the directory places ${where} where ${quoted(name)} is`);
  const [flags, method] = [header.readUInt16LE(6), header.readUInt16LE(8)];
  const [crc, packed, size] = [14, 18, 22].map((field) => header.readUInt32LE(field)) as [number, number, number];
  const isLater = (flags & follows) !== 0;
  const agrees = (value: number, wanted: number): boolean => value === wanted || (isLater && value === 0);
  const isSize = (value: number): boolean => value === 0xffffffff || agrees(value, record.size);
  if (flags !== record.flags || method !== record.method || !agrees(crc, record.crc) || ![packed, size].every(isSize)) {
    throw new PthError(`the directory and the header of ${where} disagree; has the file been damaged?`);
  }
  const start = record.header + localLength + nameLength + header.readUInt16LE(28);
  if (start + record.size > fileSize) throw new PthError(`${where}, ${record.size} bytes at ${start}, leaves the file`);
  return start;
}

const checkedPart = 2 ** 22;

/** @throws PthError unless the bytes of a record, from `start` on, have its checksum. */
export async function checkRecord(file: FileHandle, record: ZipRecord, start: number): Promise<void> {
  const part = new Uint8Array(Math.min(checkedPart, record.size));
  let crc = 0;
  for (let at = 0; at < record.size; at += checkedPart) {
    crc = crc32(await readRange(file, start + at, Math.min(checkedPart, record.size - at), part), crc);
  }
  compareChecksum(record, crc);
}

/** As {@link checkRecord}, of an open file descriptor, at once. */
export function checkRecordSync(file: number, record: ZipRecord, start: number): void {
  let crc = 0;
  for (let at = 0; at < record.size; at += checkedPart) {
    crc = crc32(readRangeSync(file, start + at, Math.min(checkedPart, record.size - at)), crc);
  }
  compareChecksum(record, crc);
}

/** @throws PthError unless `crc` is what the archive says. */
export function compareChecksum({ name, crc: wanted }: ZipRecord, crc: number): void {
  if (crc === wanted) return;
  throw new PthError(
    `record ${quoted(name)} has the checksum ${crc.toString(16)}, wanted ${wanted.toString(16)}: the file is damaged, ` +
      'download or copy it again',
  );
}

/** The end record is the last thing in the file but for a comment; sizes of 64 bits are in a record before it. */
async function findDirectory(file: FileHandle, fileSize: number) {
  const length = Math.min(fileSize, endLength + maxComment);
  const tail = Buffer.from((await readRange(file, fileSize - length, length)).buffer);
  const isEnd = (at: number): boolean =>
    tail.readUInt32LE(at) === endSignature && at + endLength + tail.readUInt16LE(at + 20) === length;
  let at = length - endLength;
  while (at >= 0 && !isEnd(at)) at--;
  if (at < 0) throw new PthError('the file has no ZIP directory; has it been cut short while downloading?');
  const [count, size, offset] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
  const locator = at - locatorLength;
  if (locator < 0 || tail.readUInt32LE(locator) !== locatorSignature) return { offset, size, count };
  const end64 = await readRange(file, toNumber(tail.readBigUInt64LE(locator + 8), fileSize - 56), 56);
  const fields = Buffer.from(end64.buffer);
  if (fields.readUInt32LE(0) !== end64Signature) throw new PthError('the ZIP64 end record is missing');
  return {
    count: toNumber(fields.readBigUInt64LE(32), fileSize),
    size: toNumber(fields.readBigUInt64LE(40), fileSize),
    offset: toNumber(fields.readBigUInt64LE(48), fileSize),
  };
}

function parseEntry(directory: Buffer, at: number, fileLimit: number): { record: ZipRecord; length: number } {
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
  const isStored = method === 0 && place.packed === place.size && (flags & encrypted) === 0;
  const crc = directory.readUInt32LE(at + 16);
  return { record: { name, size: place.size, header: place.header, crc, method, flags, isStored }, length };
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
