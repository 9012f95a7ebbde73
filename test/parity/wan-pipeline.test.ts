/** The pipeline's video from the fixture's noise and token ids. */
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { type Umt5Config, type VaeConfig, vae, vaeConfig, wan } from '../../src/model/internal.ts';
import { umt5, umt5Encode } from '../../src/model/text/umt5.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { dpmSolver, generateClips, uniPC, type VideoModel } from '../../src/sampler/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('wan-t2v-e2e');
const config = files.config as {
  dit: Record<string, unknown>;
  vae: Partial<VaeConfig>;
  t5: Umt5Config;
  sampling: { steps: number; shift: number; guide_scale: number };
};
let data: FixtureTensors;
let model: VideoModel;

beforeAll(async () => {
  await use('cpu');
  data = await files.tensors();
  const entries = async (part: string) => (await files.tensors(`weights_${part}.safetensors`)).all;
  const t5 = (await umt5.load(config.t5, await entries('t5'))).weights;
  const dit = wanConfig(config.dit);
  const autoencoder = vaeConfig(config.vae);
  model = {
    net: { config: dit, weights: (await wan.load(dit, await entries('dit'))).weights },
    decoder: { config: autoencoder, weights: (await vae.load(autoencoder, await entries('vae'))).weights },
    text: {
      encode: ([name]: readonly string[]) =>
        tf.tidy(() => {
          const tokens = { ids: data.tensor(`${name}_ids`), mask: data.tensor(`${name}_mask`) };
          const length = data.list(`${name}_mask`).reduce((sum, bit) => sum + bit, 0);
          return umt5Encode({ weights: t5, config: config.t5 }, tokens).slice([0, 0], [1, length]);
        }),
    },
  };
});

test.each([
  ['unipc', uniPC],
  ['dpm++', dpmSolver],
])('%s', async (name, solver) => {
  const expected = data.host(`${name}.video`);
  const [, frames, height, width] = expected.shape as [number, number, number, number];
  const noise = tf.expandDims(tf.transpose(data.tensor('noise'), [1, 2, 3, 0]), 0); // [C,F,H,W] -> [1,F,H,W,C]
  const { guide_scale: guidanceScale, ...sampling } = config.sampling;
  const request = { prompt: 'prompt', negativePrompt: 'negative', ...sampling, guidanceScale, solver, noise };
  const before = tf.memory().numTensors;
  const [clip] = await generateClips(model, { ...request, size: [width, height], frames });
  expect(tf.memory().numTensors).toBe(before);
  const video = tf.tensor(clip!.data, [frames, height, width, 3]).mul(2).sub(1);
  const theirs = tf.transpose(video, [3, 0, 1, 2]); // [F,H,W,3] -> [3,F,H,W]
  await expectParity(`pipeline video, ${name}`, theirs, expected, { atol: 1e-3 });
});
