/** Writes small PyTorch files byte by byte, honest and dishonest ones. */
import { crc32 } from 'node:zlib';

/** Opcodes as byte strings. */
export const op = {
  protocol: Buffer.from([0x80, 2]),
  mark: Buffer.from('('),
  dict: Buffer.from('}'),
  list: Buffer.from(']'),
  append: Buffer.from('a'),
  setItems: Buffer.from('u'),
  tuple: Buffer.from('t'),
  reduce: Buffer.from('R'),
  persistent: Buffer.from('Q'),
  yes: Buffer.from([0x88]),
  no: Buffer.from([0x89]),
  stop: Buffer.from('.'),
  global: (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`),
  put: (index: number): Buffer => Buffer.from([0x71, index]),
  get: (index: number): Buffer => Buffer.from([0x68, index]),
  integer(value: number): Buffer {
    const bytes = Buffer.alloc(10, 0);
    bytes.writeBigInt64LE(BigInt(value), 2);
    bytes.set([0x8a, 8]);
    return bytes;
  },
  text(value: string): Buffer {
    const bytes = Buffer.from(value);
    const head = Buffer.alloc(5);
    head[0] = 'X'.charCodeAt(0);
    head.writeUInt32LE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  },
};

/** A tensor as torch.save writes it. */
export function tensor(
  key: string,
  elements: number,
  view: { offset?: number; shape: number[]; stride: number[] },
  kind: 'FloatStorage' | 'BFloat16Storage' = 'FloatStorage',
): Buffer {
  const tuple = (...items: Buffer[]) => Buffer.concat([op.mark, ...items, op.tuple]);
  const storage = tuple(
    op.text('storage'),
    op.global('torch', kind),
    op.text(key),
    op.text('cpu'),
    op.integer(elements),
  );
  const numbers = (values: number[]) => tuple(...values.map(op.integer));
  return Buffer.concat([
    op.global('torch._utils', '_rebuild_tensor_v2'),
    tuple(
      Buffer.concat([storage, op.persistent]),
      op.integer(view.offset ?? 0),
      numbers(view.shape),
      numbers(view.stride),
      op.no,
      Buffer.concat([op.global('collections', 'OrderedDict'), tuple(), op.reduce]),
    ),
    op.reduce,
  ]);
}

/** A pickled dictionary of parts that are pickled already. */
export function dictionary(entries: Record<string, Buffer>): Buffer {
  return Buffer.concat([op.protocol, mapping(entries), op.stop]);
}

/** A dictionary inside of another. */
export function mapping(entries: Record<string, Buffer>): Buffer {
  const items = Object.entries(entries).flatMap(([key, value]) => [op.text(key), value]);
  return Buffer.concat([op.dict, op.mark, ...items, op.setItems]);
}

/** An object of a TorchScript archive: an instance of a generated class with its state. */
export function scripted(entries: Record<string, Buffer>): Buffer {
  const made = Buffer.concat([op.global('__torch__', 'Model'), Buffer.from(')\x81', 'latin1')]);
  return Buffer.concat([made, mapping(entries), Buffer.from('b')]);
}

/** A file as torch.save wrote it before 1.6; storages in the order of their keys. */
export function legacy(data: Buffer, storages: Record<string, Float32Array>): Buffer {
  const pickled = (...parts: Buffer[]) => Buffer.concat([op.protocol, ...parts, op.stop]);
  const magic = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
  const machine = mapping({ protocol_version: op.integer(1001), little_endian: op.yes });
  const keys = Object.keys(storages).flatMap((key) => [op.text(key), op.append]);
  const contents = Object.values(storages).flatMap((floats) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(floats.length));
    return [count, Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength)];
  });
  const heads = [pickled(magic), pickled(op.integer(1001)), pickled(machine), data, pickled(op.list, ...keys)];
  return Buffer.concat([...heads, ...contents]);
}

/**
 * An archive of stored records; with `wide`, sizes and positions are written as in files beyond 4 GiB. The directory says
 * that records are compressed by `method`; code of TorchScript always is.
 */
export function archive(
  records: Record<string, Uint8Array>,
  { wide = false, method = 0, checksums = true } = {},
): Buffer {
  const sum = (content: Uint8Array): number => (checksums ? crc32(content) : 0);
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let position = 0;
  for (const [name, content] of Object.entries(records)) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(sum(content), 14);
    local.writeUInt32LE(content.length, 18);
    local.writeUInt32LE(content.length, 22);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    central.push(
      centralEntry(name, content, position, { wide, crc: sum(content), method: name.includes('/code/') ? 8 : method }),
    );
    parts.push(local, Buffer.from(name), Buffer.from(content));
    position += 30 + Buffer.byteLength(name) + content.length;
  }
  const directory = Buffer.concat(central);
  const count = central.length;
  return Buffer.concat([...parts, directory, ...endRecords(position, directory.length, count, wide)]);
}

function centralEntry(
  name: string,
  content: Uint8Array,
  header: number,
  { wide, crc, method }: { wide: boolean; crc: number; method: number },
): Buffer {
  const entry = Buffer.alloc(46);
  const size = content.length;
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(crc, 16);
  const extra = wide ? Buffer.alloc(28) : Buffer.alloc(0);
  [size, size, header].forEach((value, i) => {
    entry.writeUInt32LE(wide ? 0xffffffff : value, [20, 24, 42][i]!);
    if (wide) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  });
  if (wide) extra.writeUInt32LE(1 + (24 << 16), 0);
  entry.writeUInt16LE(Buffer.byteLength(name), 28);
  entry.writeUInt16LE(extra.length, 30);
  return Buffer.concat([entry, Buffer.from(name), extra]);
}

function endRecords(offset: number, size: number, count: number, wide: boolean): Buffer[] {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(wide ? 0xffffffff : size, 12);
  end.writeUInt32LE(wide ? 0xffffffff : offset, 16);
  if (!wide) return [end];
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(size), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  return [end64, locator, end];
}
