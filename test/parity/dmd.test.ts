import { beforeAll, describe, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { addNoise } from '../../src/sampler/index.ts';
import { FlowMatchScheduler } from '../../src/sampler/ode/schedule.ts';
import { dmdGradient, dmdLoss, dmdTimestep, flowMatchingLoss, odeLoss, pickStates } from '../../src/train/losses.ts';
import { guidedScore } from '../../src/train/stages/distribution-matching.ts';
import { expectParity, fixture } from './fixtures.ts';

interface Config {
  real_guidance_scale: number;
  fake_guidance_scale: number;
  timestep_shift: number;
  sampling_guidance: number;
  ode_steps: number[];
}

const data = fixture('dmd');
const config = data.json<Config>('config.json');
const stored = await data.tensors();

const engines = ['cpu', 'onnx'] as const;
let engine: (typeof engines)[number] = 'cpu';

describe.each(engines)('distribution matching follows Self-Forcing on %s', (name) => {
  beforeAll(() => choose(name));

  test('guided score, normaliser and gradient', async () => {
    const real = guidedScore(stored.tensor('real_cond'), stored.tensor('real_uncond'), config.real_guidance_scale + 1);
    const fake = guidedScore(stored.tensor('fake_cond'), stored.tensor('fake_uncond'), config.fake_guidance_scale + 1);
    const { gradient, normaliser } = dmdGradient(stored.tensor('x0'), fake, real);
    await matches('real_cfg', real);
    await matches('kl_grad_unnormalised', fake.sub(real));
    await matches('normaliser', normaliser);
    await matches('kl_grad', gradient);
    await matches('log_gradient_norm', gradient.abs().mean());
  });

  test('a zero normaliser gives the largest floats and no NaN', async () => {
    const zeros = tf.zerosLike(stored.tensor('x0'));
    const fake = guidedScore(stored.tensor('fake_cond'), stored.tensor('fake_uncond'), config.fake_guidance_scale + 1);
    await matches('nan_zero_normaliser_grad', dmdGradient(zeros, fake, zeros).gradient);
  });

  test('timesteps, noised latents', async () => {
    const shifted = stored.list('raw_timestep').map((raw) => dmdTimestep(raw, config.timestep_shift));
    await matches('shifted_timestep', shifted);
    const noisy = addNoise(stored.tensor('x0'), stored.tensor('noise'), sigmas());
    await matches('noisy_latent', noisy);
  });

  test('generator loss and its gradient, whole and masked', async () => {
    const masks: [string, Tensor | undefined][] = [
      ['loss', undefined],
      ['loss_masked', stored.tensor('gradient_mask')],
    ];
    for (const [name, mask] of masks) {
      const loss = (x: Tensor): Tensor => dmdLoss(x, stored.tensor('kl_grad'), mask);
      await matches(name, loss(stored.tensor('x0')));
      await matches(`${name}.grad_x0`, tf.grad(loss)(stored.tensor('x0')));
    }
  });

  test('critic losses', async () => {
    const flow = (x0: Tensor): Tensor => tf.div(tf.sub(stored.tensor('noisy_latent'), x0), sigmas());
    const loss = (x0: Tensor): Tensor => flowMatchingLoss(flow(x0), stored.tensor('x0'), stored.tensor('noise'));
    await matches('critic_flow_pred', flow(stored.tensor('fake_cond')));
    await matches('critic_flow_loss', loss(stored.tensor('fake_cond')));
    const gradient = tf.grad(loss)(stored.tensor('fake_cond'));
    await matches('critic_flow_loss.grad_x0_pred', gradient);
  });

  test('guidance as used in sampling', async () => {
    const [cond, uncond] = [stored.tensor('real_cond'), stored.tensor('real_uncond')];
    const guided = guidedScore(cond, uncond, config.sampling_guidance);
    await matches('cfg_sampling_form', guided);
  });
});

describe.each(engines)('ODE regression follows CausVid on %s', (name) => {
  beforeAll(() => choose(name));

  const target = (): Tensor =>
    stored
      .tensor('ode.latent')
      .slice([0, config.ode_steps.length - 1], [-1, 1])
      .squeeze([1]);

  test('states and timesteps by index', async () => {
    await matches('ode.noisy_input', pickStates(stored.tensor('ode.latent'), stored.tensor('ode.index')));
  });

  test('loss over the noisy frames and its gradient', async () => {
    const loss = (estimate: Tensor): Tensor => odeLoss(estimate, target(), stored.tensor('ode.timestep'));
    await matches('ode.loss', loss(stored.tensor('ode.pred')));
    await matches('ode.loss.grad_pred', tf.grad(loss)(stored.tensor('ode.pred')));
  });
});

async function choose(name: typeof engine): Promise<void> {
  await use(name);
  engine = name;
}

/** Self-Forcing looks every timestep up in its table: levels [B, F, 1, 1, 1]. */
function sigmas(): Tensor {
  const table = new FlowMatchScheduler(config.timestep_shift);
  const levels = stored.list('shifted_timestep').map((t) => table.sigmaOf(t));
  return tf.tensor(levels, [...stored.shape('shifted_timestep'), 1, 1, 1]);
}

/** Same values within 1e-5 of the largest; our scalars are lists of one there, and frames may be flattened. */
async function matches(name: string, received: Tensor | number[]): Promise<void> {
  const shaped = Array.isArray(received) ? received : received.reshape(stored.shape(name));
  await expectParity(`${engine} ${name}`, shaped, stored.host(name), { atol: 0, rtol: 1e-5 });
}
