import { expect, test } from 'vitest';
import { decodeMemory, vae, wanPresets } from '../../src/model/internal.ts';
import { umt5Presets } from '../../src/model/text/umt5.ts';
import { checkMemory } from '../../src/sampler/generate/memory-plan.ts';
import { MemoryError, type PlannedModel, planMemory } from '../../src/sampler/index.ts';

const GiB = 2 ** 30;

function model(
  preset: 'wan2.1-t2v-1.3b' | 'wan2.1-t2v-14b',
  blocks: PlannedModel['blocks'] = 'resident',
): PlannedModel {
  return {
    blocks,
    net: { config: wanPresets[preset] },
    decoder: { config: vae.presets['wan2.1'] },
    text: { config: umt5Presets['umt5-xxl'] },
  };
}
const small = { size: [416, 240], frames: 33 } as const;

function bytesOf(planned: PlannedModel, run: Parameters<typeof planMemory>[1], what: RegExp): number {
  return planMemory(planned, run).rows.find((row) => what.test(row.what))!.bytes;
}

test('weights are counted where they are', () => {
  const sizes = (['resident', 'host-bfloat16', 'file'] as const).map((blocks) =>
    bytesOf(model('wan2.1-t2v-1.3b', blocks), small, /^transformer, blocks/),
  );
  expect(sizes[0]).toBe(4 * 1_418_996_800);
  expect(sizes[1]! / sizes[0]!).toBeCloseTo(0.56, 1);
  expect(sizes[2]! / sizes[0]!).toBeLessThan(0.1);
});

test('the cache of a causal student is that of the specification, in float32 and twice', () => {
  const full = { causal: true, size: [832, 480], frames: 81 } as const;
  expect(bytesOf(model('wan2.1-t2v-1.3b'), full, /^cache/)).toBe(2 * 2 * 30 * 2 * 32760 * 1536 * 2);
  const local = {
    ...model('wan2.1-t2v-1.3b'),
    net: { config: { ...wanPresets['wan2.1-t2v-1.3b'], local_attn_size: 6 } },
  };
  const rows = planMemory(local, full).rows.find(({ what }) => what.startsWith('cache'))!;
  expect(rows.bytes).toBe(2 * 2 * 30 * 6 * 1560 * 1536 * 4);
});

test.each([
  [[208, 120], 1.28],
  [[416, 240], 2.17],
  [[832, 480], 7.45],
] as const)('decoding %j is planned within a tenth of its measured peak, %d GiB', ([width, height], measured) => {
  const { state, activations } = decodeMemory(vae.presets['wan2.1'], { width, height });
  expect(Math.abs((state + activations) / GiB / measured - 1)).toBeLessThan(0.1);
});

test('a run that does not fit is refused with changes that make it fit', () => {
  const run = { ...small, memoryLimit: 12 * GiB };
  const plan = planMemory(model('wan2.1-t2v-14b'), run);
  expect(plan.fits).toBe(false);
  expect(plan.advice).toEqual(["open the model with blocks: 'file'"]);
  expect(planMemory(model('wan2.1-t2v-14b', 'file'), run).fits).toBe(true);
  expect(() => checkMemory(model('wan2.1-t2v-14b'), run)).toThrow(MemoryError);
  expect(() => checkMemory(model('wan2.1-t2v-14b'), run)).toThrow(/12\.0 GiB: open the model with blocks: 'file'/);
  expect(() => checkMemory(model('wan2.1-t2v-14b'), { ...run, memoryLimit: null })).not.toThrow();
});

test('1.3B runs in 12 GB, at its full size with swapped blocks', () => {
  const full = { size: [832, 480], frames: 81, memoryLimit: 12 * GiB } as const;
  expect(planMemory(model('wan2.1-t2v-1.3b'), full).advice).toContain("open the model with blocks: 'host-bfloat16'");
  expect(planMemory(model('wan2.1-t2v-1.3b', 'host-bfloat16'), full).fits).toBe(true);
  expect(planMemory(model('wan2.1-t2v-1.3b'), { ...small, memoryLimit: 12 * GiB }).fits).toBe(true);
  expect(planMemory(model('wan2.1-t2v-1.3b', 'host-bfloat16'), { ...small, memoryLimit: 8 * GiB }).fits).toBe(true);
});

test('shows itself as text and in notebooks, and by default looks at the machine', () => {
  const plan = planMemory(model('wan2.1-t2v-1.3b', 'file'), small);
  expect(plan.limit).toBeGreaterThan(2 ** 20);
  expect(String(plan)).toMatch(/VAE +all +484\.1 MiB\n/);
  const bundle = (plan as unknown as Record<symbol, () => Record<string, string>>)[Symbol.for('Jupyter.display')]!();
  expect(bundle['text/plain']).toBe(String(plan));
  expect(bundle['text/html']).toContain('<td');
});

test('several clips at once need more, and what comes one after the other does not', () => {
  const prompts = ['a', 'b', 'c'];
  const planned = model('wan2.1-t2v-1.3b');
  const latents = (run: Parameters<typeof planMemory>[1]): number => bytesOf(planned, run, /latents of the solver/);
  expect(latents({ ...small, prompts })).toBe(latents({ ...small, prompts: ['a'] }));
  expect(latents({ ...small, prompts, batch: 2 })).toBe(2 * latents(small));
});

test('a request that the model cannot serve is refused as such', () => {
  expect(() => planMemory(model('wan2.1-t2v-1.3b'), { size: [830, 480] })).toThrow(/multiple of 16/);
});
