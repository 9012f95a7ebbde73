/** The two containers of PyTorch files: the ZIP archive of today, and the plain sequence of pickles before 1.6. */
import type { FileHandle } from 'node:fs/promises';
import { readRange } from './bytes.ts';
import { bytesPerElement } from './host-tensor.ts';
import { quoted } from './json.ts';
import { unpickle } from './pickle.ts';
import { PickleEndError, type PickleValue } from './pickle-value.ts';
import { PthHost, type PthStorage } from './pth-tensor.ts';
import { checkRecord, PthError, readZipDirectory, type ZipRecord, zipRecordStart } from './pth-zip.ts';

/** The saved object, and where the bytes of its storages are. */
export interface PthArchive {
  readonly value: PickleValue;
  readonly fileSize: number;
  /** Where a storage lies in the file, which is open under a descriptor. */
  locate(file: number, storage: PthStorage): StoragePlace;
}

/** A storage's first byte, and the record with its checksum, where the file has one. */
export interface StoragePlace {
  readonly begin: number;
  readonly record: ZipRecord | null;
}

/** Largest pickle that is read; it holds names and shapes, not elements. */
const maxPickle = 2 ** 28;

/** Opens whichever container the leading bytes announce. */
export async function openArchive(file: FileHandle): Promise<PthArchive> {
  const { size } = await file.stat();
  const magic = await readRange(file, 0, Math.min(size, 2));
  return magic[0] === 0x50 && magic[1] === 0x4b ? openZip(file, size) : openLegacy(file, size);
}

async function openZip(file: FileHandle, fileSize: number): Promise<PthArchive> {
  const { records, hasChecksums } = await readZipDirectory(file, fileSize);
  const main = [...records.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (main.length !== 1) {
    throw new PthError(`the ZIP file holds ${main.length || 'no'} data.pkl, wanted one: it is not from torch.save`);
  }
  const folder = main[0]!.slice(0, main[0]!.indexOf('/') + 1);
  const content = async (name: string, limit: number): Promise<Uint8Array> => {
    const record = records.get(name)!;
    if (record.size > limit) throw new PthError(`record ${quoted(name)} has ${record.size} bytes, more than ${limit}`);
    const start = zipRecordStart(file.fd, record, fileSize);
    if (hasChecksums) await checkRecord(file, record, start);
    return readRange(file, start, record.size);
  };
  const order = `${folder}byteorder`;
  if (records.has(order) && Buffer.from(await content(order, 16)).toString() !== 'little') {
    throw new PthError('the file is big-endian; save it again on a little-endian machine');
  }
  const host = new PthHost();
  const { value, end } = unpickle(await content(main[0]!, maxPickle), host);
  if (end !== records.get(main[0]!)!.size) throw new PthError('bytes follow the end of the pickle');
  const record = (storage: PthStorage): ZipRecord => checkedRecord(records, `${folder}data/${storage.key}`, storage);
  for (const storage of host.storages.values()) zipRecordStart(file.fd, record(storage), fileSize);
  const locate = (open: number, storage: PthStorage): StoragePlace => {
    const found = record(storage);
    return { begin: zipRecordStart(open, found, fileSize), record: hasChecksums ? found : null };
  };
  return { value, fileSize, locate };
}

function checkedRecord(records: ReadonlyMap<string, ZipRecord>, name: string, storage: PthStorage): ZipRecord {
  const record = records.get(name);
  if (record === undefined) throw new PthError(`storage record ${quoted(name)} is missing`);
  if (!record.isStored) throw new PthError(`storage record ${quoted(name)} is compressed or encrypted`);
  if (record.size !== storage.bytes) {
    throw new PthError(
      `storage record ${quoted(name)} has ${record.size} bytes; its ${storage.dtype ?? 'untyped'} elements need ${storage.bytes}`,
    );
  }
  return record;
}

const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyVersion = 1001;

/** The pickles at the beginning of an older file rarely reach beyond the first of these; nothing says where they end. */
const legacyHeads = [2 ** 20, 2 ** 24, maxPickle];

async function openLegacy(file: FileHandle, fileSize: number): Promise<PthArchive> {
  for (const head of legacyHeads) {
    try {
      return await parseLegacy(file, fileSize, await readRange(file, 0, Math.min(fileSize, head)));
    } catch (error) {
      if (!(error instanceof PickleEndError) || head >= fileSize) throw error;
    }
  }
  throw new PthError(`the pickles of names and shapes are longer than the ${maxPickle} bytes accepted`);
}

/** Pickles of magic number, version, machine, object and storage keys, then each storage behind its 64-bit length. */
async function parseLegacy(file: FileHandle, fileSize: number, bytes: Uint8Array): Promise<PthArchive> {
  const host = new PthHost();
  let position = 0;
  const next = (): PickleValue => {
    const { value, end } = unpickle(bytes, host, position);
    position = end;
    return value;
  };
  const isPickle = bytes[0] === 0x80;
  if (!isPickle || next() !== legacyMagic) {
    throw new PthError(`the file (${fileSize} bytes) is neither a ZIP archive nor an older PyTorch file`);
  }
  const version = next();
  if (version !== legacyVersion) throw new PthError(`version ${String(version)} of the older format is not known`);
  const machine = next();
  if (!(machine instanceof Map) || machine.get('little_endian') !== true) {
    throw new PthError('the file is big-endian; save it again on a little-endian machine');
  }
  const value = next();
  const keys = next();
  const starts = await legacyStarts(file, fileSize, host, keys, position);
  return { value, fileSize, locate: (_, { key }) => ({ begin: starts.get(key)!, record: null }) };
}

async function legacyStarts(
  file: FileHandle,
  fileSize: number,
  { storages }: PthHost,
  keys: PickleValue,
  begin: number,
): Promise<Map<string, number>> {
  const starts = new Map<string, number>();
  let position = begin;
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = storages.get(String(key));
    if (storage === undefined) throw new PthError(`storage ${quoted(String(key))} belongs to no tensor`);
    if (starts.has(storage.key)) throw new PthError(`storage ${quoted(storage.key)} is there twice`);
    const announced = Buffer.from((await readRange(file, position, 8)).buffer).readBigInt64LE(0);
    const width = storage.dtype === null ? 1 : bytesPerElement(storage.dtype);
    const end = position + 8 + storage.bytes;
    if (announced !== BigInt(storage.bytes / width)) {
      throw new PthError(`storage ${quoted(storage.key)} of ${storage.bytes / width} elements announces ${announced}`);
    }
    if (end > fileSize) {
      throw new PthError(
        `storage ${quoted(storage.key)} ends at byte ${end}, the file at ${fileSize}: has it been cut short?`,
      );
    }
    starts.set(storage.key, position + 8);
    position = end;
  }
  for (const key of storages.keys()) if (!starts.has(key)) throw new PthError(`storage ${quoted(key)} is missing`);
  return starts;
}
