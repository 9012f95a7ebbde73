import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { dinoPositions, dinoShapes } from '../../../src/model/dino/dino.ts';
import { type DinoConfig, dino, dinoFeatures, dinoPresets } from '../../../src/model/internal.ts';
import { parameterCount, Weights } from '../../../src/nn/index.ts';
import { hashed, hashedWeight } from '../hashed.ts';

const config: DinoConfig = { img_size: 32, patch_size: 8, embed_dim: 12, depth: 1, num_heads: 2 };

beforeAll(() => use('cpu'));

function tinyWeights(): Weights {
  return Weights.from(
    [...dinoShapes(config)].map(([name, shape]) => {
      return [name, { dtype: 'float32', shape: [...shape], data: hashedWeight(name, shape) }];
    }),
  );
}

test('ViT-B/16 has its published number of parameters', () => {
  expect(parameterCount(dinoShapes(dinoPresets.dino_vitb16))).toBe(85_798_656);
});

test('the training grid is used as it is, other sizes get a grid of their own', () => {
  const weights = tinyWeights();
  const table = weights.get('pos_embed');
  expect(dinoPositions(table, config, 32, 32)).toBe(table);
  expect(dinoPositions(table, config, 32, 56).shape).toEqual([1, 1 + 4 * 7, 12]);
  expect(dinoPositions(table, config, 16, 64).shape).toEqual([1, 1 + 2 * 8, 12]); // as many tokens, another grid
  weights.dispose();
});

test('pixels beyond the last whole patch are not seen', () => {
  const weights = tinyWeights();
  const wide = tf.tensor4d(hashed('wide', [1, 32, 45, 3]), [1, 32, 45, 3]);
  const cut = tf.slice(wide, [0, 0, 0, 0], [1, 32, 40, 3]);
  const [seen, whole] = [cut, wide].map((images) => dinoFeatures({ weights, config }, images).dataSync());
  expect(whole!).toBeAllClose(seen!, { atol: 1e-6 });
  expect(() => dinoFeatures({ weights, config }, tf.zeros([1, 7, 32, 3]))).toThrow('at least one patch of 8x8');
  weights.dispose();
});

test('a checkpoint of another size is refused by name', async () => {
  const weights = tinyWeights();
  const deeper = { ...config, depth: 2 };
  await expect(dino.load(deeper, weights.entries())).rejects.toThrow('blocks.1.norm1.weight');
  weights.dispose();
});
