import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type KvCache, wan } from '../../src/model/internal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import type { Weights } from '../../src/nn/index.ts';
import { type BoundStudent, causalStudent, denoisingSteps, rollout, type Schedule } from '../../src/sampler/index.ts';
import { type BlockNoise, lastBlock, selfRollout } from '../../src/sampler/internal.ts';
import { expectParity, fixture } from './fixtures.ts';

interface Notes {
  denoising_step_list: number[];
  timestep_shift: number;
  num_frame_per_block: number;
  context_noise: number;
}

const data = fixture('self-forcing-rollout');
const notes = data.config['_fixture'] as Notes;
const config = { ...wanConfig(data.config), num_frame_per_block: notes.num_frame_per_block };
const stored = await data.tensors();
const checkpoint = await data.tensors('weights.safetensors');
const schedule: Schedule = denoisingSteps(notes.denoising_step_list, { shift: notes.timestep_shift });
const [blocks = 0, steps = 0] = stored.shape('x0_all_steps');

/** [B, F, C, H, W] to [B, F, H, W, C] and back. */
const toOurs = (x: Tensor): Tensor => tf.transpose(x, [0, 1, 3, 4, 2]);
const toTheirs = (x: Tensor): Tensor => tf.transpose(x, [0, 1, 4, 2, 3]);

/** Entry [block, step] of a stored tensor [blocks, steps, ...]. */
function entry(name: string, block: number, step: number): Tensor {
  return tf.tidy(() => stored.tensor(name).gather([block]).squeeze([0]).gather([step]).squeeze([0]));
}

const renoise: BlockNoise = (block, step) => tf.tidy(() => toOurs(entry('renoise', block, step)));

test('the warped list of denoising steps', async () => {
  await expectParity('self-forcing-rollout steps', schedule.timesteps, stored.host('denoising_steps_warped'), {
    atol: 1e-3,
  });
});

describe.each(['cpu', 'onnx'] as const)('%s', (name) => {
  let weights: Weights;
  let student: BoundStudent;
  let noise: Tensor;
  const context = { t: notes.context_noise, sigma: 0 };

  beforeAll(async () => {
    await engine.use(name);
    weights = (await wan.load(config, checkpoint.all)).weights;
    student = causalStudent({ weights, config }, stored.tensor('context'));
    noise = toOurs(stored.tensor('noise'));
  });
  afterAll(() => {
    student.dispose();
    weights.dispose();
  });

  test('every denoising step of every block', async () => {
    const x0: Tensor[] = [];
    const onStep = (step: { x0: Tensor }): void => void x0.push(tf.keep(toTheirs(step.x0)));
    const latents: Tensor[] = [];
    for await (const block of rollout(student, noise, { schedule, renoise, context, onStep })) latents.push(block.x0);
    expect(latents).toHaveLength(blocks);
    expect(x0).toHaveLength(blocks * steps);
    const all = tf.stack(x0).reshape(stored.shape('x0_all_steps'));
    await expectParity(`self-forcing-rollout ${name} x0`, all, stored.host('x0_all_steps'), { atol: 5e-4 });
    const video = toTheirs(tf.concat(latents, 1));
    await expectParity(`self-forcing-rollout ${name} latents`, video, stored.host('latents'), { atol: 5e-4 });
  });

  test('the cache after the last context pass', async () => {
    const state = await selfRollout(student, noise, { schedule, renoise, context, exitStep: steps - 1 });
    const cache: KvCache = student.remember(lastBlock(student, state), context.t, state.cache);
    const [first, last] = [cache.layers[0]!, cache.layers.at(-1)!];
    await expectParity(`self-forcing-rollout ${name} cache`, first.k, stored.host('cache0.k'), { atol: 5e-4 });
    await expectParity(`self-forcing-rollout ${name} cache`, last.v, stored.host('cache_last.v'), { atol: 5e-4 });
    student.release(cache);
  });

  test('rollouts leave no tensor behind, and every weight learns, the text layers too', async () => {
    const before = tf.memory().numTensors;
    for await (const { x0 } of rollout(student, noise, { schedule, renoise, context })) x0.dispose();
    const state = await selfRollout(student, noise, { schedule, renoise, context, exitStep: 1 });
    const { value, grads } = tf.variableGrads(() => lastBlock(student, state).square().sum().asScalar());
    const moves = (key: string): boolean =>
      tf.tidy(() => (grads[weights.variable(key).name]?.abs().max().dataSync()[0] ?? 0) > 0);
    expect(weights.names().filter((key) => !moves(key))).toEqual([]);
    tf.dispose([value, grads]);
    state.release();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the gradient through the last block’s last step', async () => {
    const state = await selfRollout(student, noise, { schedule, renoise, context, exitStep: steps - 1 });
    await expectParity(`self-forcing-rollout ${name} x_t`, toTheirs(state.x), stored.host('last.x_t'), { atol: 5e-4 });
    expect(state.t).toBeCloseTo(stored.list('last.t')[0]!, 3);
    const probe = toOurs(stored.tensor('probe'));
    const names = stored.names('last.grad.w.').map((key) => key.replace('last.grad.w.', ''));
    const loss = (): Tensor => lastBlock(student, state).mul(probe).sum();
    const { value, grads } = tf.variableGrads(
      () => loss().asScalar(),
      names.map((key) => weights.variable(key)),
    );
    await expectParity(`self-forcing-rollout ${name} scalar`, value, stored.values('last.scalar'), {
      rtol: 1e-4,
      atol: 1e-3,
    });
    for (const key of names) {
      const gradient = grads[weights.variable(key).name]!;
      const bounds = { rtol: 1e-4, atol: 1e-5 };
      await expectParity(`self-forcing-rollout ${name} gradients`, gradient, stored.host(`last.grad.w.${key}`), bounds);
    }
    expect(names.length).toBeGreaterThan(0);
    const inX = tf.grad((x) =>
      lastBlock(student, { ...state, x })
        .mul(probe)
        .sum(),
    )(state.x);
    const bounds = { rtol: 1e-4, atol: 1e-5 };
    await expectParity(`self-forcing-rollout ${name} gradients`, toTheirs(inX), stored.host('last.grad.x_t'), bounds);
    state.release();
  });
});
