import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  addNoise,
  dpmSolver,
  euler,
  flowSchedule,
  type GridOptions,
  type Sampler,
  type Schedule,
  uniPC,
  type Velocity,
} from '../../src/sampler/index.ts';
import { dpmSchedule, FlowMatchScheduler, uniPCSchedule, warpTimesteps } from '../../src/sampler/ode/schedule.ts';
import { velocityToX0 } from '../../src/sampler/ode/velocity.ts';
import { eulerDiscreteSchedule, uniPCDiffusersSchedule } from '../sampler/diffusers-grids.ts';
import { expectParity, fixture } from './fixtures.ts';

interface Levels {
  sigmas: number[];
  timesteps: number[];
}

interface TableCase extends Levels {
  nearest_index: number[];
  add_noise: number[];
  flow_to_x0: number[];
  euler_step_first3_rows: number[];
  euler_step_to_final: number[];
  warped_denoising_lists: Record<string, number[]>;
  four_steps: Levels;
}

interface TableFile {
  shape: number[];
  t: number[];
  clean: number[];
  noise: number[];
  flow: number[];
  shifts: Record<string, TableCase>;
}

interface SolverFile {
  x_init: number[];
  x_shape: number[];
  K: [number, number, number, number];
  runs: {
    solver: string;
    steps: number;
    shift: number;
    timesteps: number[];
    sigmas: number[];
    trajectory: number[][];
  }[];
}

const data = fixture('schedulers');

beforeAll(async () => {
  await engine.use('cpu');
});

const tables = data.json<TableFile>('self_forcing.json');

describe.each(Object.entries(tables.shifts))('Self-Forcing scheduler, shift %s', (shiftText, expected) => {
  const shift = Number(shiftText);
  const table = new FlowMatchScheduler(shift);
  const column = (values: ArrayLike<number>): Tensor => {
    return tf.tensor(Array.from(values), [values.length, ...tables.shape.slice(1).map(() => 1)]);
  };
  const tensor = (values: number[], rows: number = tables.shape[0]!): Tensor => {
    const shape = [rows, ...tables.shape.slice(1)];
    return tf.tensor(
      values.slice(
        0,
        shape.reduce((a, b) => a * b, 1),
      ),
      shape,
    );
  };
  const sigmas = (): Tensor => column(tables.t.map((t) => table.sigmaOf(t)));
  const samples = (): Tensor => addNoise(tensor(tables.clean), tensor(tables.noise), sigmas());

  test('grid', () => {
    expect([...table.sigmas], 'bit for bit').toEqual(expected.sigmas);
    expect([...table.timesteps], 'bit for bit').toEqual(expected.timesteps);
    const exact = flowSchedule({ steps: expected.sigmas.length, shift });
    expect(exact.sigmas.subarray(0, -1)).toBeAllClose(expected.sigmas, { atol: 0, rtol: 1e-6 });
  });

  test('look-up of the nearest timestep', () => {
    expect(tables.t.map((t) => table.indexOf(t))).toEqual(expected.nearest_index);
  });

  test('noise and x0', () => {
    const [sample, sigma] = [samples(), sigmas()];
    expect(sample.dataSync()).toBeAllClose(expected.add_noise, { atol: 1e-6 });
    expect(velocityToX0(sample, tensor(tables.flow), sigma).dataSync()).toBeAllClose(expected.flow_to_x0, {
      atol: 1e-6,
    });
  });

  test('an Euler step to the next level, and to the end', () => {
    const [sample, sigma] = [samples(), sigmas()];
    const rows = 3;
    const step = column(
      tables.t.slice(0, rows).map((t) => (table.sigmas[table.indexOf(t) + 1] ?? 0) - table.sigmaOf(t)),
    );
    const start = tensor([...sample.dataSync()], rows);
    const stepped = start.add(tensor(tables.flow, rows).mul(step));
    expect(stepped.dataSync()).toBeAllClose(expected.euler_step_first3_rows, { atol: 1e-6 });
    const toEnd = velocityToX0(sample, tensor(tables.flow), sigma);
    expect(toEnd.dataSync()).toBeAllClose(expected.euler_step_to_final, { atol: 1e-6 });
  });

  test('warped lists of denoising steps', () => {
    for (const [list, warped] of Object.entries(expected.warped_denoising_lists)) {
      expect(warpTimesteps(JSON.parse(list) as number[], table)).toBeAllClose(warped, { atol: 1e-3 });
    }
  });

  test('short grids', () => {
    const four = flowSchedule({ steps: expected.four_steps.sigmas.length, shift });
    expect(four.sigmas.subarray(0, -1)).toBeAllClose(expected.four_steps.sigmas, { atol: 0, rtol: 1e-6 });
  });
});

const solvers: Record<string, [Sampler, (options: GridOptions) => Schedule]> = {
  unipc: [uniPC, uniPCSchedule],
  'dpm++': [dpmSolver, dpmSchedule],
  euler: [euler, eulerDiscreteSchedule],
  diffusers_unipc: [uniPC, uniPCDiffusersSchedule],
};

describe.each(['cpu', 'onnx'] as const)('solvers on %s', (name) => {
  beforeAll(async () => {
    await engine.use(name);
  });

  const { x_init, x_shape, K, runs } = data.json<SolverFile>('solvers.json');
  const last = x_shape.at(-1)!;
  const roll = (x: Tensor): Tensor => {
    const head = [...x_shape.slice(0, -1), 1];
    const start = x_shape.map(() => 0);
    const tail = [...x_shape.slice(0, -1), last - 1];
    return tf.concat([x.slice([...start.slice(0, -1), 1], tail), x.slice(start, head)], -1);
  };
  const velocity: Velocity = (x, t) => {
    const s = t / 1000;
    return tf.tidy(() =>
      x
        .mul(K[0] * Math.cos(2 * s) + K[3])
        .add(roll(x).sin().mul(K[1]))
        .add(K[2] * s),
    );
  };

  test.each(runs)('$solver, $steps steps, shift $shift', async ({ solver, steps, shift, ...expected }) => {
    const [sample, grid] = solvers[solver]!;
    const schedule = grid({ steps, shift });
    expect(schedule.sigmas).toBeAllClose(expected.sigmas, { atol: 1e-7, rtol: 1e-6 });
    expect(schedule.timesteps).toBeAllClose(expected.timesteps, { atol: 1e-3 });
    const states: number[] = [];
    tf.tidy(() => {
      sample(velocity, tf.tensor(x_init, x_shape), schedule, { onStep: ({ next }) => states.push(...next.dataSync()) });
    });
    await expectParity(`schedulers ${solver} [${name}]`, states, expected.trajectory.flat(), { atol: 1e-5 });
  });
});
