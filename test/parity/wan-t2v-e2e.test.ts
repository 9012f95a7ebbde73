/** From token ids to pixels: text encoder, guided transformer under both of Wan's solvers, decoder. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { decode, type Umt5Config, type VaeConfig, vae, vaeConfig, wan, wanForward } from '../../src/model/internal.ts';
import { umt5, umt5Encode } from '../../src/model/text/umt5.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import type { Weights } from '../../src/nn/index.ts';
import { dpmSolver, uniPC, type Velocity } from '../../src/sampler/index.ts';
import { guided } from '../../src/sampler/internal.ts';
import { dpmSchedule, uniPCSchedule } from '../../src/sampler/ode/schedule.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('wan-t2v-e2e');
const config = files.config as {
  dit: Record<string, unknown>;
  vae: Partial<VaeConfig>;
  t5: Umt5Config;
  sampling: { steps: number; shift: number; guide_scale: number };
};
const dit = wanConfig(config.dit);
const autoencoder = vaeConfig(config.vae);
const within = { atol: 1e-3 };
let data: FixtureTensors;

beforeAll(async () => {
  data = await files.tensors();
});

/** [C,F,H,W] to [1,F,H,W,C]. */
const toOurs = (x: Tensor): Tensor => tf.expandDims(tf.transpose(x, [1, 2, 3, 0]), 0);
/** [1,F,H,W,C] to [C,F,H,W]. */
const toTheirs = (x: Tensor): Tensor => tf.transpose(tf.squeeze(x, [0]), [3, 0, 1, 2]);

describe.each(['cpu', 'onnx'] as const)('on %s', (engine) => {
  let weights: Record<'t5' | 'dit' | 'vae', Weights>;
  let texts: [Tensor, Tensor];

  beforeAll(async () => {
    await use(engine);
    const entries = async (part: string) => (await files.tensors(`weights_${part}.safetensors`)).all;
    weights = {
      t5: (await umt5.load(config.t5, await entries('t5'))).weights,
      dit: (await wan.load(dit, await entries('dit'))).weights,
      vae: (await vae.load(autoencoder, await entries('vae'))).weights,
    };
    texts = [encoded('prompt'), encoded('negative')];
  });

  afterAll(() => {
    for (const part of Object.values(weights)) part.dispose();
  });

  /** Rows of the real tokens of a text, [1,n,text_dim]. */
  function encoded(name: string): Tensor {
    const tokens = { ids: data.tensor(`${name}_ids`), mask: data.tensor(`${name}_mask`) };
    const length = data.list(`${name}_mask`).reduce((sum, bit) => sum + bit, 0);
    return umt5Encode({ weights: weights.t5, config: config.t5 }, tokens).slice([0, 0], [1, length]);
  }

  test('text', async () => {
    await expectParity(`e2e context, ${engine}`, texts[0].squeeze([0]), data.host('context'), within);
    await expectParity(`e2e negative context, ${engine}`, texts[1].squeeze([0]), data.host('context_null'), within);
  });

  test.each([
    ['unipc', uniPC, uniPCSchedule],
    ['dpm++', dpmSolver, dpmSchedule],
  ] as const)('%s', async (solver, sample, grid) => {
    const { guide_scale, ...sampling } = config.sampling;
    const schedule = grid(sampling);
    expect(Array.from(schedule.timesteps)).toEqual(data.list(`${solver}.timesteps`));
    const fields = texts.map(
      (context): Velocity =>
        (x, t) =>
          wanForward({ weights: weights.dit, config: dit }, { x, t, context }),
    );
    const velocity = guided(fields[0]!, fields[1]!, guide_scale);
    const noise = toOurs(data.tensor('noise'));
    const first = toTheirs(velocity(noise, schedule.timesteps[0]!, schedule.sigmas[0]!));
    await expectParity(`e2e first velocity, ${engine}`, first, data.host(`${solver}.noise_pred_step0`), within);
    const steps: Tensor[] = [];
    const latents = sample(velocity, noise, schedule, { onStep: ({ next }) => void steps.push(toTheirs(next)) });
    await expectParity(`e2e latents, ${engine}`, tf.stack(steps), data.host(`${solver}.latents_after_step`), within);
    const video = toTheirs(decode({ weights: weights.vae, config: autoencoder }, latents));
    await expectParity(`e2e video, ${engine}`, video, data.host(`${solver}.video`), within);
  });
});
