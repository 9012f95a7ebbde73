/** Safetensors files of any size whose zeros take no room on the disk. */
import { open } from 'node:fs/promises';
import type { Shapes } from '../../src/nn/index.ts';

/** Writes names and shapes with zeros for data. */
export async function writeSparse(path: string, shapes: Shapes, dtype: 'F32' | 'BF16' = 'F32'): Promise<string> {
  let position = 0;
  const fields = [...shapes].map(([name, shape]) => {
    const begin = position;
    position += shape.reduce((product, extent) => product * extent, dtype === 'F32' ? 4 : 2);
    return [name, { dtype, shape, data_offsets: [begin, position] }] as const;
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(fields)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.set(json, 8);
  const file = await open(path, 'w');
  await file.write(header);
  await file.truncate(header.length + position);
  await file.close();
  return path;
}
