import { join } from 'node:path';
import { expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type HostTensor, hostTensor, openSafetensors, toFloat32, writeSafetensors } from '../../src/io/index.ts';
import { copiesUploads, loadChecked, shapesOf } from '../../src/nn/internal.ts';
import { testFolder } from '../folder.ts';

/** Every kind of weight that shares memory on its way: single values, half precisions of falling and rising size. */
const saved: ReadonlyMap<string, HostTensor> = new Map([
  ['a', hostTensor('bfloat16', [2, 2], Uint16Array.of(0x3f80, 0x4000, 0x4040, 0x4080))],
  ['b', hostTensor('float32', [2], Float32Array.of(5, 6))],
  ['c', hostTensor('bfloat16', [1], Uint16Array.of(0xbf80))],
  ['d', hostTensor('float16', [3], Uint16Array.of(0x3c00, 0x4000, 0x4200))],
  ['e', hostTensor('bfloat16', [5], Uint16Array.of(1, 2, 3, 4, 5))],
]);

const folder = await testFolder('load');

test.each(['cpu', 'onnx'] as const)('on %s no weight sees the memory of another', async (name) => {
  await use(name);
  const path = join(folder, `${name}.safetensors`);
  await writeSafetensors(path, saved);
  const entries = (await openSafetensors(path)).entries({ reuse: copiesUploads() });
  const weights = await loadChecked(shapesOf(saved), entries, (name) => name);
  for (const [key, tensor] of saved) {
    expect(Array.from(await weights.get(key).data())).toEqual(Array.from(toFloat32(tensor)));
  }
  weights.dispose();
});
