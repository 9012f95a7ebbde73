import { describe, expect, test } from 'vitest';
import { denoisingSteps, flowSchedule } from '../../src/sampler/index.ts';
import { dpmSchedule, FlowMatchScheduler, uniPCSchedule } from '../../src/sampler/ode/schedule.ts';

const at = (values: ArrayLike<number>, indices: number[]): number[] => indices.map((i) => values[i]!);

describe('noise table', () => {
  test('published levels of shifts 5 and 8', () => {
    const five = new FlowMatchScheduler(5);
    expect(at(five.sigmas, [1, 250, 500, 750, 999])).toBeAllClose([0.99979979, 0.9375, 0.83333331, 0.625, 0.00498008], {
      atol: 3e-8,
    });
    expect(five.indexOf(0)).toBe(999);
    expect([20, 250, 500, 750, 980].map((t) => five.indexOf(t))).toEqual([996, 937, 833, 625, 93]);
    const eight = new FlowMatchScheduler(8);
    expect(at(eight.sigmas, [250, 500, 750, 999])).toBeAllClose([0.96, 0.8888889, 0.72727275, 0.00794439], {
      atol: 3e-8,
    });
    expect(eight.sigmaOf(500)).toBeCloseTo(0.49971864, 7);
  });

  test('a timestep that is no number is refused', () => {
    expect(() => new FlowMatchScheduler(5).sigmaOf(Number.NaN)).toThrow('received NaN');
  });
});

describe('grids', () => {
  test('48 steps hit the four-step list at the quarter points', () => {
    const steps = [0, 12, 24, 36];
    const { timesteps } = flowSchedule({ steps: 48, shift: 5 });
    expect(at(timesteps, steps)).toBeAllClose(denoisingSteps([1000, 750, 500, 250], { shift: 5 }).timesteps, {
      atol: 1e-4,
    });
    const eight = flowSchedule({ steps: 48, shift: 8 });
    expect(at(eight.timesteps, [1, 12, 24, 36, 47])).toBeAllClose([997.3475, 960, 888.8889, 727.2727, 145.4545], {
      atol: 1e-4,
    });
  });

  test('UniPC starts below 1 with whole timesteps, DPM++ at 1', () => {
    const { sigmas, timesteps } = uniPCSchedule({ steps: 50, shift: 5 });
    expect(sigmas.subarray(0, 4)).toBeAllClose([0.99979985, 0.99573237, 0.99153048, 0.98718739], { atol: 1e-7 });
    expect(sigmas.subarray(-4)).toBeAllClose([0.24174035, 0.17226514, 0.09250686, 0], { atol: 1e-7 });
    expect(at(timesteps, [0, 1, 2, 3, 4])).toEqual([999, 995, 991, 987, 982]);
    expect(dpmSchedule({ steps: 4, shift: 8 }).sigmas[0]).toBe(1);
  });

  /** trunc(1000 shift s / (1 + (shift - 1) s)), s = start (1 - i / steps), in whole numbers; start is float32(0.999). */
  function exactTimestep(i: number, steps: number, shift: number): { t: number; isClose: boolean } {
    const [start, one] = [16_760_439n, 16_777_216n]; // float32(0.999) = 16760439 / 2^24
    const [n, k, by] = [BigInt(steps), BigInt(i), BigInt(shift)];
    const above = 1000n * by * start * (n - k);
    const below = one * n + (by - 1n) * start * (n - k);
    const rest = Number(above % below) / Number(below);
    return { t: Number(above / below), isClose: Math.min(rest, 1 - rest) < 1e-9 };
  }

  test('timesteps of UniPC are those of exact arithmetic from the float32 start, for many steps and shifts', () => {
    expect(Math.fround(0.999)).toBe(16_760_439 / 2 ** 24);
    let checked = 0;
    for (const shift of [1, 2, 3, 5, 8, 12]) {
      for (let steps = 1; steps <= 200; steps++) {
        const { timesteps } = uniPCSchedule({ steps, shift });
        for (const [i, t] of timesteps.entries()) {
          const exact = exactTimestep(i, steps, shift);
          if (exact.isClose) continue; // rounding of float64 decides
          expect([shift, steps, i, t]).toEqual([shift, steps, i, exact.t]);
          checked++;
        }
      }
    }
    expect(checked).toBeGreaterThan(120_000 - 100);
    expect([...uniPCSchedule({ steps: 3, shift: 1 }).timesteps]).toEqual([999, 666, 333]);
  });

  test('faults name what was received', () => {
    expect(() => flowSchedule({ steps: 0, shift: 5 })).toThrow('steps: wanted a whole number >= 1, received 0');
    expect(() => flowSchedule({ steps: 4, shift: 0 })).toThrow('received 0');
  });
});

describe('denoising steps', () => {
  test.each([
    [3, [1000, 900, 750, 500]],
    [5, [1000, 937.5, 833.33333, 625]],
    [8, [1000, 960, 888.88889, 727.27273]],
  ])('warped with shift %d', (shift, expected) => {
    const { timesteps, sigmas } = denoisingSteps([1000, 750, 500, 250, 0], { shift });
    expect(timesteps).toBeAllClose(expected, { atol: 1e-4 });
    expect(sigmas.subarray(0, -1)).toBeAllClose(
      expected.map((t) => t / 1000),
      { atol: 1e-7 },
    );
    expect(sigmas.at(-1)).toBe(0);
  });

  test('unwarped lists keep their timesteps and take the table’s levels', () => {
    const { timesteps, sigmas } = denoisingSteps([1000, 757, 522], { shift: 8, warp: false });
    expect([...timesteps]).toEqual([1000, 757, 522]);
    expect(sigmas).toBeAllClose([1, 0.757, 0.522, 0], { atol: 2e-3 });
  });

  test('a list that rises is refused', () => {
    expect(() => denoisingSteps([500, 750], { shift: 5 })).toThrow('wanted sigmas that fall');
    expect(() => denoisingSteps([1000, 250.5], { shift: 5 })).toThrow('received 250.5');
  });
});
