import { expect, test } from 'vitest';
import { jupyterDisplay } from '../../src/display/index.ts';
import { band, curve, score } from '../../src/show/index.ts';
import { smooth } from '../../src/show/series.ts';

interface PlotlyChart {
  data: { name?: string; mode: string; y: (number | null)[]; fill?: string; opacity?: number }[];
  layout: { yaxis: { type: string }; shapes: { y0: number }[]; annotations: { y: number; text: string }[] };
}

async function chartOf(figure: ReturnType<typeof curve>): Promise<PlotlyChart> {
  return (await figure[jupyterDisplay]())['application/vnd.plotly.v1+json'] as PlotlyChart;
}

const wave = Array.from({ length: 60 }, (_, i) => 1 + 0.5 * Math.sin(i) + i / 60);

test('the notebook gets a Plotly chart with the same lines', async () => {
  const chart = await chartOf(curve({ a: [1, Number.NaN, 2], b: { x: [5, 6], y: [3, 4], low: [2, 3], high: [4, 5] } }));
  const named = chart.data.filter(({ name }) => name);
  expect(named.map(({ name, y, mode }) => [name, y, mode])).toEqual([
    ['a', [1, null, 2], 'lines+markers'],
    ['b', [3, 4], 'lines+markers'],
  ]);
  expect(chart.data.filter(({ fill }) => fill === 'tonexty')).toHaveLength(1);
});

test('intervals are drawn as a band around their estimates', async () => {
  const line = band(
    [5, 6],
    [
      { estimate: 3, low: 2, high: 4 },
      { estimate: 4, low: 3, high: 5 },
    ],
  );
  expect(line).toEqual({ x: [5, 6], y: [3, 4], low: [2, 3], high: [4, 5] });
});

test('smoothing keeps the raw line faint, whatever its length, and leaves bands alone', async () => {
  const band = { x: wave, y: wave, low: wave, high: wave };
  const chart = await chartOf(curve({ long: wave, short: [1, 2], band }, { smoothing: 0.9 }));
  const [raw, rawShort, long, short] = [chart.data[0]!, chart.data[1]!, ...chart.data.filter(({ name }) => name)];
  expect([raw.opacity, rawShort.opacity]).toEqual([0.25, 0.25]);
  expect([raw.y, rawShort.y]).toEqual([wave, [1, 2]]);
  expect(long!.y).toEqual(smooth(wave, 0.9));
  expect(short!.y).toEqual(smooth([1, 2], 0.9));
  expect(chart.data.at(-1)!.y).toEqual(wave);
  expect(() => curve({ band }, { smoothing: 0.9 })).toThrow('smoothing: wanted a line without a band');
});

test('the running mean is corrected for its start and passes over gaps', () => {
  expect(smooth([2, 2, 2], 0.9)).toBeAllClose([2, 2, 2], { atol: 1e-12 });
  expect(smooth([Number.NaN, 4, Number.NaN, 0], 0.5)).toEqual([Number.NaN, 4, 4, 4 / 3]);
});

test('logarithmic axes place references by their logarithm', async () => {
  const { layout } = await chartOf(curve({ a: [1, 10] }, { log: 'y', references: { goal: 100 } }));
  expect(layout.yaxis.type).toBe('log');
  expect(layout.shapes[0]!.y0).toBe(100);
  expect(layout.annotations[0]).toMatchObject({ text: 'goal', y: 2 });
});

test('a level line has an axis with room on both sides', async () => {
  const ticks = [...(await curve({ level: [1, 1, 1] }).toHtml()).matchAll(/>([\d.]+)<\/text>/g)].map(
    ([, text]) => text,
  );
  expect(ticks).toEqual(expect.arrayContaining(['0.6', '1.0', '1.4']));
});

test('faults name the series', () => {
  expect(() => curve({})).toThrow('none given');
  expect(() => curve({ a: { x: [1], y: [1, 2] } })).toThrow('series "a": x has 1 values and y 2');
  expect(() => curve({ a: { x: [1], y: [1], low: [0] } })).toThrow('a band needs low and high');
  expect(() => curve({ a: [1] }, { smoothing: 1 })).toThrow('received 1');
});

test('the drawing of a curve', async () => {
  const line = { x: [0, 10, 20], y: [0.1, 0.4, 0.5], low: [0, 0.3, 0.4], high: [0.2, 0.5, 0.6] };
  const drawn = curve(
    { reward: line, motion: [0.5, 0.4, 0.45] },
    { title: 'Reward', xLabel: 'update', references: { teacher: 0.55 } },
  );
  const [picture] = (await drawn.toHtml()).split('<script');
  await expect(picture).toMatchFileSnapshot('snapshots/curve.svg');
});

test('the drawing of scores', async () => {
  const drawn = score(
    { reward: { value: 0.58, low: 0.52, high: 0.63, reference: 0.31 }, worst: -0.2 },
    { title: 'Scores' },
  );
  const [picture] = (await drawn.toHtml()).split('<script');
  await expect(picture).toMatchFileSnapshot('snapshots/score.svg');
});
