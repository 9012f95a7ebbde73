/** Weight files of every format, and what may become of them on the way: damage, tricks, and bombs. */
import { crc32 } from 'node:zlib';
import { archive, dictionary, legacy, mapping, op, tensor } from '../io/pth-writer.ts';

/** Files to write, which of them to open, and why it must be refused, where that is certain. */
export interface WeightCase {
  readonly name: string;
  readonly open: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly mustRefuse: boolean;
}

/** Random numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws from one sequence. */
class Dice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomFrom(seed);
  }

  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

interface Entry {
  name: string;
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

const widths = { F32: 4, BF16: 2, F16: 2, I64: 8, U8: 1, F8_E4M3: 1, F8_E8M0: 1, F64: 8, C64: 8 } as const;

function entries(dice: Dice): Entry[] {
  return Array.from({ length: 1 + dice.below(6) }, (_, i) => {
    const dtype = dice.of(Object.keys(widths) as (keyof typeof widths)[]);
    const shape = Array.from({ length: dice.below(4) }, () => 1 + dice.below(6));
    const count = shape.reduce((product, extent) => product * extent, widths[dtype]);
    const data = Uint8Array.from({ length: count }, () => dice.below(256));
    return { name: `blocks.${i}.${dice.of(['weight', 'bias', 'ü'])}`, dtype, shape, data };
  });
}

/** A safetensors file of header fields and data. */
function framed(header: string | Uint8Array, data: Uint8Array): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

/** Names and JSON of the entries of a header. */
function headerFields(all: readonly Entry[]): [string, { dtype: string; shape: number[]; data_offsets: number[] }][] {
  let at = 0;
  return all.map(({ name, dtype, shape, data }) => {
    const data_offsets = [at, at + data.length];
    at += data.length;
    return [name, { dtype, shape, data_offsets }];
  });
}

function jsonOf(fields: readonly (readonly [string, unknown])[]): string {
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
}

function safetensors(all: readonly Entry[]): Buffer {
  return framed(jsonOf(headerFields(all)), Buffer.concat(all.map(({ data }) => data)));
}

type Trick = (dice: Dice) => { bytes: Uint8Array; mustRefuse: boolean };

const refused = (bytes: Uint8Array) => ({ bytes, mustRefuse: true });
const maybe = (bytes: Uint8Array) => ({ bytes, mustRefuse: false });

const headerTricks: Readonly<Record<string, Trick>> = {
  twice: (dice) => {
    const all = entries(dice);
    const fields = headerFields(all);
    return refused(framed(jsonOf([...fields, dice.of(fields)]), Buffer.concat(all.map(({ data }) => data))));
  },
  'not utf-8': (dice) => {
    const all = entries(dice);
    const header = Buffer.from(jsonOf(headerFields(all)));
    header[header.indexOf('blocks')] = 0x80 + dice.below(128);
    return refused(framed(header, Buffer.concat(all.map(({ data }) => data))));
  },
  'other shape': (dice) => {
    const all = entries(dice);
    const fields = headerFields(all);
    const field = dice.of(fields)[1];
    field.shape = [...field.shape, 2 + dice.below(3)];
    return refused(framed(jsonOf(fields), Buffer.concat(all.map(({ data }) => data))));
  },
  'moved offsets': (dice) => {
    const all = entries(dice);
    const fields = headerFields(all);
    const field = dice.of(fields)[1];
    const by = 1 + dice.below(9);
    field.data_offsets = field.data_offsets.map((at) => at + by);
    return refused(framed(jsonOf(fields), Buffer.concat(all.map(({ data }) => data))));
  },
  'many tensors': (dice) => {
    const count = 10_000 * (1 + dice.below(20));
    const one = (i: number) => [`t${i}`, { dtype: 'U8', shape: [0], data_offsets: [0, 0] }] as const;
    return maybe(framed(jsonOf(Array.from({ length: count }, (_, i) => one(i))), new Uint8Array()));
  },
  'deep shape': (dice) => {
    const deep = dice.of(['[', '{"a":', '[[1],', '-', '9', '"']).repeat(1 << (8 + dice.below(12)));
    return refused(framed(`{"a":{"dtype":"U8","shape":${deep}`, new Uint8Array()));
  },
  'long shape': (dice) => {
    const extents = new Array(1 << (7 + dice.below(14))).fill(1).join(',');
    return refused(framed(`{"a":{"dtype":"U8","shape":[${extents}],"data_offsets":[0,1]}}`, new Uint8Array(1)));
  },
  'many notes': (dice) => {
    const notes = Array.from({ length: 1 << (4 + dice.below(14)) }, (_, i) => [`n${i}`, '']);
    return maybe(framed(JSON.stringify({ __metadata__: Object.fromEntries(notes) }), new Uint8Array()));
  },
  'long header': (dice) => {
    const header = `{}${' '.repeat(1 << (10 + dice.below(15)))}`;
    return maybe(framed(header, new Uint8Array()));
  },
};

const floats = (count: number, dice: Dice) => Float32Array.from({ length: count }, () => dice.below(1000) / 7);
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer);
const view = (count: number) => ({ shape: [count], stride: [1] });

/** Parts of a saved dictionary and the elements of their storages. */
function pthParts(dice: Dice): { parts: Record<string, Buffer>; storages: Record<string, Float32Array> } {
  const storages: Record<string, Float32Array> = {};
  const parts: Record<string, Buffer> = { step: op.integer(dice.below(1000)) };
  for (let i = 0; i <= dice.below(5); i++) {
    const count = 1 + dice.below(40);
    storages[String(i)] = floats(count, dice);
    parts[`w${i}`] = tensor(String(i), count, view(count));
  }
  return { parts, storages };
}

function records(data: Uint8Array, storages: Readonly<Record<string, Float32Array>>): Record<string, Uint8Array> {
  const named = Object.entries(storages).map(([key, values]) => [`a/data/${key}`, bytesOf(values)]);
  return { 'a/data.pkl': data, 'a/version': Buffer.from('3\n'), ...Object.fromEntries(named) };
}

function pth(dice: Dice): Buffer {
  const { parts, storages } = pthParts(dice);
  return archive(records(dictionary(parts), storages));
}

/** An archive with one field of one directory entry changed; checksum, sizes, position, flags, method. */
function changedEntry(dice: Dice, field: number, bytes: number): Buffer {
  const file = pth(dice);
  const signature = Buffer.from('504b0102', 'hex');
  const places: number[] = [];
  for (let at = file.indexOf(signature); at >= 0; at = file.indexOf(signature, at + 4)) places.push(at);
  const used = places.filter((at) => file.toString('latin1', at + 46, at + 54) !== 'a/versio');
  const at = dice.of(used) + field + dice.below(bytes);
  file[at] = file[at]! ^ (1 << dice.below(8));
  return file;
}

const pickleOf = (...parts: Buffer[]) => archive(records(Buffer.concat([op.protocol, ...parts, op.stop]), {}));
const times = (dice: Dice, from: number, to: number) => 1 << (from + dice.below(to - from));

const pthTricks: Readonly<Record<string, Trick>> = {
  checksum: (dice) => refused(changedEntry(dice, 16, 4)),
  size: (dice) => refused(changedEntry(dice, 24, 4)),
  position: (dice) => refused(changedEntry(dice, 42, 4)),
  'changed element': (dice) => {
    const { parts, storages } = pthParts(dice);
    const file = archive(records(dictionary(parts), storages));
    const at = file.indexOf(Buffer.from(bytesOf(storages['0']!)));
    file[at + dice.below(4)]! ^= 1 << dice.below(8);
    return refused(file);
  },
  'key twice': (dice) => {
    const { parts, storages } = pthParts(dice);
    const again = Buffer.concat([op.text('w0'), tensor('0', storages['0']!.length, view(1))]);
    const data = Buffer.concat([dictionary(parts).subarray(0, -2), again, op.setItems, op.stop]);
    return refused(archive(records(data, storages)));
  },
  'name twice': (dice) => {
    const { parts, storages } = pthParts(dice);
    const one = tensor('0', storages['0']!.length, view(1));
    const data = dictionary({ ...parts, 'x.y': one, x: mapping({ y: one }) });
    return refused(archive(records(data, storages)));
  },
  'changed pickle': (dice) => {
    const { parts, storages } = pthParts(dice);
    const data = dictionary(parts);
    for (let i = 0; i <= dice.below(3); i++) data[dice.below(data.length)] = dice.below(256);
    return maybe(archive(records(data, storages)));
  },
  'long key': (dice) => {
    const key = Buffer.concat([op.text('k'.repeat(times(dice, 10, 20))), op.put(0)]);
    const uses = Array.from({ length: times(dice, 8, 13) }, (_, i) =>
      Buffer.concat([op.text(String(i)), op.dict, op.get(0), op.get(1), Buffer.from('s')]),
    );
    const one = Buffer.concat([tensor('0', 1, view(1)), op.put(1)]);
    const data = [op.protocol, key, one, op.dict, op.mark, ...uses, op.setItems, op.stop];
    return maybe(archive(records(Buffer.concat(data), { 0: Float32Array.of(1) })));
  },
  'one opcode over and over': (dice) => {
    const code = dice.of([
      '(',
      ']',
      '}',
      ')',
      'N',
      '2N',
      'K\x01',
      'h\x00',
      '\x94',
      'C\x00',
      '\x8c\x00',
      '(t',
      'G\0\0\0\0\0\0\0\0',
    ]);
    const many = Buffer.from(code.repeat(times(dice, 10, 23)), 'latin1');
    return maybe(pickleOf(op.dict, op.put(0), many));
  },
  'list used again': (dice) => {
    const items = Buffer.from(`(${'N'.repeat(times(dice, 8, 19))}t`, 'latin1');
    const call = Buffer.concat([op.global('torch', 'Size'), op.get(0), Buffer.from('\x85R', 'latin1')]);
    return maybe(pickleOf(items, op.put(0), ...new Array(times(dice, 4, 12)).fill(call)));
  },
  'views of one storage': (dice) => {
    const one = tensor('0', 1, { shape: [1 << dice.below(25)], stride: [0] });
    const parts = Array.from({ length: times(dice, 1, 10) }, (_, i) => [`v${i}`, one]);
    return maybe(archive(records(dictionary(Object.fromEntries(parts)), { 0: Float32Array.of(1) })));
  },
};

const indexTricks: Readonly<
  Record<string, (dice: Dice, names: readonly string[]) => { text: string; mustRefuse: boolean }>
> = {
  twice: (dice, names) => {
    const one = JSON.stringify(dice.of(names));
    return { text: `{"weight_map":{${one}:"m-1.safetensors",${one}:"m-1.safetensors"}}`, mustRefuse: true };
  },
  deep: (dice) => ({ text: `{"metadata":${'['.repeat(times(dice, 7, 21))}`, mustRefuse: true }),
  elsewhere: () => ({ text: '{"weight_map":{"a":"../m-1.safetensors"}}', mustRefuse: true }),
  many: (dice) => {
    const map = Array.from({ length: times(dice, 8, 18) }, (_, i) => [`t${i}`, 'm-1.safetensors']);
    return { text: JSON.stringify({ weight_map: Object.fromEntries(map) }), mustRefuse: true };
  },
};

/** Random damage: bytes changed, cut, doubled or moved; what became of the file must then be asked of the file. */
function damaged(source: Buffer, dice: Dice): Buffer {
  let bytes = Buffer.from(source);
  for (let i = 0; i <= dice.below(3); i++) {
    if (bytes.length === 0) return bytes;
    const [at, to] = [dice.below(bytes.length), dice.below(bytes.length)];
    const [from, end] = [Math.min(at, to), Math.max(at, to)];
    const kind = dice.below(8);
    if (kind <= 3) bytes[at]! ^= 1 << dice.below(8);
    else if (kind === 4) bytes[at] = dice.below(256);
    else if (kind === 5) bytes = bytes.subarray(0, at);
    else if (kind === 6) bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(from)]);
    else bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(end)]);
  }
  return bytes;
}

/** The case of a seed and an index. */
export function weightCase(seed: number, index: number): WeightCase {
  const dice = new Dice(crc32(`${seed} ${index}`));
  const kind = dice.of(['safetensors', 'safetensors', 'header', 'pth', 'pth', 'pth trick', 'legacy', 'index'] as const);
  const trick = <T>(tricks: Readonly<Record<string, T>>): [string, T] => dice.of(Object.entries(tricks));
  const one = (open: string, bytes: Uint8Array, name: string = kind, mustRefuse: boolean = false): WeightCase => ({
    name,
    open,
    files: { [open]: bytes },
    mustRefuse,
  });
  switch (kind) {
    case 'safetensors':
      return one('m.safetensors', damaged(safetensors(entries(dice)), dice));
    case 'header': {
      const [name, make] = trick(headerTricks);
      const { bytes, mustRefuse } = make(dice);
      return one('m.safetensors', bytes, `header: ${name}`, mustRefuse);
    }
    case 'pth':
      return one('m.pth', damaged(pth(dice), dice));
    case 'pth trick': {
      const [name, make] = trick(pthTricks);
      const { bytes, mustRefuse } = make(dice);
      return one('m.pth', bytes, `pth: ${name}`, mustRefuse);
    }
    case 'legacy': {
      const { parts, storages } = pthParts(dice);
      return one('m.pth', damaged(legacy(dictionary(parts), storages), dice));
    }
    case 'index': {
      const all = entries(dice);
      const names = all.map(({ name }) => name);
      const good = JSON.stringify({ weight_map: Object.fromEntries(names.map((name) => [name, 'm-1.safetensors'])) });
      const [name, make] = dice.of([['damaged', null] as const, ...Object.entries(indexTricks)]);
      const made = make === null ? { text: damaged(Buffer.from(good), dice), mustRefuse: false } : make(dice, names);
      const open = 'm.safetensors.index.json';
      const files = { [open]: Buffer.from(made.text), 'm-1.safetensors': safetensors(all) };
      return { name: `index: ${name}`, open, files, mustRefuse: made.mustRefuse };
    }
  }
}
