import { expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { Weights } from '../../src/nn/index.ts';
import { adamw, ema, parametersOf } from '../../src/train/index.ts';
import { measureClip } from '../../src/train/optimiser/optimiser.ts';
import { expectParity, fixture, report } from './fixtures.ts';

interface Run {
  name: string;
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  clip: number | null;
  ema: number;
  ema_start: number;
}

const { config, tensors } = fixture('adamw-ema');
const steps = config['steps'] as number;

const cases = (['cpu', 'onnx'] as const).flatMap((engine) =>
  (config['runs'] as Run[]).map((run) => ({ engine, run, name: run.name })),
);

test.each(cases)('AdamW, clipping and EMA follow PyTorch: $name on $engine', async ({ engine, run }) => {
  await use(engine);
  const stored = await tensors();
  const names = stored.names('param').filter((name) => /^param\d+$/.test(name));
  const weights = Weights.from(names.map((name) => [name, stored.host(name)]));
  const parameters = parametersOf(weights);
  const optimiser = adamw({ ...run, weightDecay: run.weight_decay });
  const state = optimiser.init(parameters);
  const average = weights.clone({ trainable: false });
  const row = (name: string, step: number): Tensor =>
    tf.tidy(() => tf.unstack(stored.tensor(name))[step - 1] as Tensor);

  for (let step = 1; step <= steps; step++) {
    const gradients = new Map(names.map((name) => [name, row(name.replace('param', 'grad'), step)]));
    const { norm, scale } = measureClip(gradients, run.clip);
    optimiser.update(gradients, state, parameters, { lr: run.lr, step, gradScale: scale });
    ema.update(average, weights, ema.coefficients(step, { decay: run.ema, start: run.ema_start }));

    if (stored.has(`${run.name}.grad_norms`)) {
      const wanted = stored.list(`${run.name}.grad_norms`)[step - 1] as number;
      await expectParity(`${engine} ${run.name} gradient norm`, norm, [wanted], { atol: 0, rtol: 1e-5 });
    }
    for (const name of names) {
      const start = stored.list(name);
      await follows(`${engine} ${run.name} weights`, weights.get(name), row(`${run.name}.${name}_after`, step), start);
      if (step < run.ema_start) continue;
      const wanted = row(`${run.name}.${name.replace('param', 'ema')}_after`, step);
      await follows(`${engine} ${run.name} ema`, average.get(name), wanted, start);
    }
  }
  for (const name of names) {
    const bounds = { atol: 0, rtol: 1e-6 };
    const final = (kind: string) => stored.host(`${run.name}.${name.replace('param', kind)}_final`);
    await expectParity(`${engine} ${run.name} first moment`, state['first']!.get(name), final('exp_avg'), bounds);
    await expectParity(`${engine} ${run.name} second moment`, state['second']!.get(name), final('exp_avg_sq'), bounds);
  }
});

/** Within 1e-7 + 1e-6·|w| of the stored value, and the way from the start within 1 % and a rounding of float32. */
async function follows(label: string, got: Tensor, expected: Tensor, start: number[]): Promise<void> {
  const values = await got.data();
  const wanted = await expected.data();
  let worst = 0;
  wanted.forEach((w, i) => {
    const error = Math.abs((values[i] as number) - w);
    worst = Math.max(worst, error);
    expect(error, label).toBeLessThanOrEqual(1e-7 + 1e-6 * Math.abs(w));
  });
  report(label, worst);
  const way = (all: ArrayLike<number>): number[] => Array.from(all, (w, i) => w - (start[i] as number));
  expect(way(values), label).toBeAllClose(way(wanted), { atol: 1.2e-7, rtol: 0.01 });
}
