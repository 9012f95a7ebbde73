import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  denoisingSteps,
  dpmSolver,
  euler,
  fewStep,
  flowSchedule,
  type GridOptions,
  heun,
  type Sampler,
  type SamplerStep,
  type Schedule,
  uniPC,
  type Velocity,
} from '../../src/sampler/index.ts';
import { dpmSchedule, uniPCSchedule } from '../../src/sampler/ode/schedule.ts';
import { eulerDiscreteSchedule, uniPCDiffusersSchedule } from './diffusers-grids.ts';

/** A new sampler gets all tests by a row: its own grid, its order of convergence, its network calls for N steps. */
interface Row {
  name: string;
  sample: Sampler;
  grid: (options: GridOptions) => Schedule;
  order: number | null;
  calls: (steps: number) => number;
}

const rows: Row[] = [
  { name: 'euler', sample: euler, grid: flowSchedule, order: 1, calls: (n) => n },
  { name: 'euler, diffusers grid', sample: euler, grid: eulerDiscreteSchedule, order: null, calls: (n) => n },
  { name: 'heun', sample: heun, grid: flowSchedule, order: 2, calls: (n) => 2 * n - 1 },
  { name: 'uniPC', sample: uniPC, grid: uniPCSchedule, order: 2, calls: (n) => n },
  { name: 'uniPC, diffusers grid', sample: uniPC, grid: uniPCDiffusersSchedule, order: 2, calls: (n) => n },
  { name: 'uniPC from sigma 1', sample: uniPC, grid: flowSchedule, order: 2, calls: (n) => n },
  { name: 'dpmSolver', sample: dpmSolver, grid: dpmSchedule, order: 2, calls: (n) => n },
  {
    name: 'fewStep without noise left to add',
    sample: (v, x, s, o) => fewStep(v, x, s, { noise: (_, shape) => tf.zeros(shape), ...o }),
    grid: fewStep.grid,
    order: null,
    calls: (n) => n,
  },
];

/** The rows' solvers as values. */
const solvers = [euler, heun, uniPC, dpmSolver, fewStep];

/** Straight lines to one point: every consistent sampler must arrive there in any number of steps. */
const target = [0.25, -1.5, 2];
const toTarget: Velocity = (x, _t, sigma) => tf.tidy(() => x.sub(tf.tensor(target)).div(sigma));

/** The flow of Gaussian data N(mean, std^2): velocity and end point are known in closed form. */
const [mean, std] = [0.5, 0.8];
function variance(sigma: number): number {
  return ((1 - sigma) * std) ** 2 + sigma ** 2;
}
const gaussian: Velocity = (x, _t, sigma) => {
  const slope = (sigma - (1 - sigma) * std ** 2) / variance(sigma);
  return tf.tidy(() =>
    x
      .sub((1 - sigma) * mean)
      .mul(slope)
      .sub(mean),
  );
};
function gaussianEnd(x: number, sigma: number): number {
  return mean + (std * (x - (1 - sigma) * mean)) / Math.sqrt(variance(sigma));
}

function final(row: Row, velocity: Velocity, start: number[], options: GridOptions): Float32Array {
  return tf.tidy(() => row.sample(velocity, tf.tensor(start), row.grid(options)).dataSync() as Float32Array);
}

const engines = ['cpu', 'onnx'] as const;

describe.each(rows.flatMap((row) => engines.map((on) => ({ ...row, on }))))('$name on $on', (row) => {
  beforeAll(async () => {
    await engine.use(row.on);
  });

  test.each([1, 2, 3, 7])('straight lines end at their target after %i steps', (steps) => {
    expect(final(row, toTarget, [1, 2, 3], { steps, shift: 3 })).toBeAllClose(target, { atol: 2e-5 });
  });

  const { order } = row;
  if (order !== null) {
    test('converges with its order to the exact flow of Gaussian data', () => {
      const start = [-1.3, 0.2, 1.7];
      const error = (steps: number): number => {
        const schedule = row.grid({ steps, shift: 1 });
        const exact = start.map((x) => gaussianEnd(x, schedule.sigmas[0]!));
        const found = final(row, gaussian, start, { steps, shift: 1 });
        return Math.max(...found.map((x, i) => Math.abs(x - exact[i]!)));
      };
      const [coarse, fine] = [error(16), error(64)];
      expect(fine).toBeLessThan(coarse / 4 ** (order * 0.7));
      expect(fine).toBeLessThan(order === 1 ? 0.05 : 0.005);
    });
  }

  test('tells the network the listed timesteps and noise levels, as often as it says', () => {
    const schedule = row.grid({ steps: 4, shift: 5 });
    const seen: [number, number][] = [];
    const watch: Velocity = (x, t, sigma) => {
      seen.push([t, sigma]);
      return tf.zerosLike(x);
    };
    tf.tidy(() => row.sample(watch, tf.ones([2, 3]), schedule));
    expect(seen).toHaveLength(row.calls(schedule.timesteps.length));
    for (const [t, sigma] of seen) {
      const index = schedule.timesteps.indexOf(t);
      expect(index).toBeGreaterThanOrEqual(0);
      expect(sigma).toBe(schedule.sigmas[index]);
    }
  });

  test('reports every step once, with live tensors that chain', () => {
    const schedule = row.grid({ steps: 4, shift: 5 });
    const steps: Omit<SamplerStep, 'x' | 'x0' | 'next'>[] = [];
    const states: { before: number; after: number; x0: number }[] = [];
    const onStep = ({ x, x0, next, ...rest }: SamplerStep): void => {
      steps.push(rest);
      states.push({ before: x.dataSync()[0]!, after: next.dataSync()[0]!, x0: x0.dataSync()[0]! });
    };
    const x = tf.tensor([0.7]);
    const end = row.sample(gaussian, x, schedule, { onStep });
    expect(steps.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(steps.map(({ sigma }) => sigma)).toEqual([...schedule.sigmas.slice(0, 4)]);
    expect(states[0]!.before).toBeCloseTo(0.7);
    for (let i = 1; i < 4; i++) expect(states[i]!.before).toBe(states[i - 1]!.after);
    expect(states[3]!.after).toBe(end.dataSync()[0]);
    tf.dispose([x, end]);
  });

  test('keeps the shape, the caller’s x, and no other tensor', () => {
    const x = tf.ones([1, 2, 2, 3, 1]);
    const before = tf.memory().numTensors;
    const end = row.sample(gaussian, x, row.grid({ steps: 5, shift: 5 }));
    expect(end.shape).toEqual(x.shape);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(x.isDisposed).toBe(false);
    end.dispose();
    expect(x.dataSync()[0]).toBe(1);
    x.dispose();
  });

  test('the same input gives the same bits', () => {
    const run = (): Float32Array => final(row, gaussian, [0.1, 0.2], { steps: 6, shift: 3 });
    expect(run()).toEqual(run());
  });

  test('gradients flow through', () => {
    const schedule = row.grid({ steps: 3, shift: 2 });
    const run = (x: Tensor): Tensor => row.sample(gaussian, x, schedule).sum();
    const gradient = tf
      .grad(run)(tf.tensor([0.4]))
      .dataSync()[0]!;
    const h = 1e-2;
    const [up, down] = [0.4 + h, 0.4 - h].map((x) => run(tf.tensor([x])).dataSync()[0]!);
    expect(gradient).toBeCloseTo((up! - down!) / (2 * h), 3);
  });

  test('a schedule that does not fit is refused with its numbers', () => {
    const x = tf.ones([1]);
    const short = { sigmas: Float64Array.of(1, 0.5), timesteps: Float64Array.of(1000, 500) };
    expect(() => row.sample(gaussian, x, short)).toThrow('received 2 and 2');
    const rising = { sigmas: Float64Array.of(0.5, 0.8, 0), timesteps: Float64Array.of(500, 800) };
    expect(() => row.sample(gaussian, x, rising)).toThrow('sigmas[1] = 0.8 after 0.5');
  });
});

test('every solver is a row, and has a name and a grid of its own', () => {
  expect(new Set(solvers.map(({ id }) => id)).size).toBe(solvers.length);
  for (const { grid } of solvers) expect(rows.map((row) => row.grid)).toContain(grid);
});

test('few steps refuse to go without fresh noise, and their grid is that of Self-Forcing', async () => {
  await engine.use('cpu');
  const schedule = fewStep.grid({ steps: 4, shift: 5 });
  expect(schedule).toEqual(denoisingSteps([1000, 750, 500, 250], { shift: 5 }));
  expect(() => fewStep(toTarget, tf.ones([3]), schedule)).toThrow('noise: wanted a source of fresh noise');
});
