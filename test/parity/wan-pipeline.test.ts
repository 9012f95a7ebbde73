/** The pipeline's video from the fixture's noise and token ids. */
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type Umt5Config, umt5, umt5Encode, vae, wan, wanConfig } from '../../src/model/index.ts';
import { generate, type WanModel } from '../../src/sampler/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('wan-t2v-e2e');
const config = files.config as {
  dit: Record<string, unknown>;
  vae: Partial<vae.VaeConfig>;
  t5: Umt5Config;
  sampling: { steps: number; shift: number; guide_scale: number };
};
let data: FixtureTensors;
let model: WanModel;

beforeAll(async () => {
  await use('cpu');
  data = await files.tensors();
  const entries = async (part: string) => (await files.tensors(`weights_${part}.safetensors`)).all;
  const t5 = (await umt5.load(config.t5, await entries('t5'))).weights;
  const dit = wanConfig(config.dit);
  const autoencoder = vae.vaeConfig(config.vae);
  model = {
    dit: { config: dit, weights: (await wan.load(dit, await entries('dit'))).weights },
    vae: { config: autoencoder, weights: (await vae.vae.load(autoencoder, await entries('vae'))).weights },
    text: {
      encode: ([name]) =>
        tf.tidy(() => {
          const tokens = { ids: data.tensor(`${name}_ids`), mask: data.tensor(`${name}_mask`) };
          const length = data.list(`${name}_mask`).reduce((sum, bit) => sum + bit, 0);
          return umt5Encode({ weights: t5, config: config.t5 }, tokens).slice([0, 0], [1, length]);
        }),
    },
  };
});

test.each(['unipc', 'dpm++'] as const)('%s', async (solver) => {
  const expected = data.host(`${solver}.video`);
  const [, frames, height, width] = expected.shape as [number, number, number, number];
  const noise = tf.expandDims(tf.transpose(data.tensor('noise'), [1, 2, 3, 0]), 0); // [C,F,H,W] -> [1,F,H,W,C]
  const { guide_scale: guidanceScale, ...sampling } = config.sampling;
  const request = { prompt: 'prompt', negativePrompt: 'negative', ...sampling, guidanceScale, solver, noise };
  const before = tf.memory().numTensors;
  const pieces: Tensor[] = [];
  for await (const piece of generate(model, { ...request, size: [width, height], frames })) pieces.push(piece);
  expect(tf.memory().numTensors - before).toBe(pieces.length);
  const video = tf.transpose(tf.squeeze(tf.concat(pieces, 1), [0]), [3, 0, 1, 2]); // [1,F,H,W,3] -> [3,F,H,W]
  await expectParity(`pipeline video, ${solver}`, video, expected, { atol: 1e-3 });
});
