/** A process that writes one checkpoint after the other until it is killed: `tsx checkpoint-writer.ts FOLDER`. */
import { writeCheckpoint } from '../../src/train/run/checkpoint.ts';

const folder = process.argv[2] as string;
const about = { stage: 'test', seed: 1, engine: 'none', versions: {} };

for (let step = 1; ; step++) {
  const weight = { dtype: 'float32' as const, shape: [1 << 20], data: new Float32Array(1 << 20).fill(step) };
  const files = ['a', 'b', 'c', 'd'].map((name) => [name, new Map([['weight', weight]])] as const);
  await writeCheckpoint(folder, new Map(files), { ...about, step });
}
