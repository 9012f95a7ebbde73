import { describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf, type Variable } from '../../src/engine/tf.ts';
import {
  createCache,
  createCrossAttnCache,
  disposeCache,
  type KvCache,
  type WanConfig,
  wan,
  wanCachedForward,
  wanCausalForward,
} from '../../src/model/internal.ts';
import {
  causalBlocks,
  causalVisibility,
  teacherForcingVisibility,
  visibilityMask,
} from '../../src/model/wan/attention.ts';
import { wanTeacherForcing } from '../../src/model/wan/causal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { timestepEmbedding } from '../../src/model/wan/positions.ts';
import type { Weights } from '../../src/nn/index.ts';
import { expectParity, fixture } from './fixtures.ts';

interface Notes {
  t_nfpb: number;
  i_nfpb: number;
  l_nfpb: number;
  local: number;
  s_local: number;
  s_sink: number;
  s_nfpb: number;
}

const data = fixture('wan-causal');
const base = wanConfig(data.config);
const notes = data.config['_fixture'] as Notes;
const cases = await data.tensors();
const weightsFile = await data.tensors('weights.safetensors');

const configs = {
  t: { ...base, num_frame_per_block: notes.t_nfpb },
  i: { ...base, num_frame_per_block: notes.i_nfpb, independent_first_frame: true },
  l: { ...base, num_frame_per_block: notes.l_nfpb, local_attn_size: notes.local },
  s: { ...base, num_frame_per_block: notes.s_nfpb, local_attn_size: notes.s_local, sink_size: notes.s_sink },
} satisfies Record<string, WanConfig>;

/** [B, C, F, H, W] to [B, F, H, W, C] and back. */
const toOurs = (x: Tensor): Tensor => tf.transpose(x, [0, 2, 3, 4, 1]);
const toTheirs = (x: Tensor): Tensor => tf.transpose(x, [0, 4, 1, 2, 3]);

/** Rows of a tensor [B, F]. */
function rows(name: string): number[][] {
  const [batch, frames] = cases.shape(name) as [number, number];
  const list = cases.list(name);
  return Array.from({ length: batch }, (_, b) => list.slice(b * frames, (b + 1) * frames));
}

function frameTokens(name: string): number {
  const shape = cases.shape(name).slice(-2) as [number, number];
  return (shape[0] / base.patch_size[1]) * (shape[1] / base.patch_size[2]);
}

function frames(name: string): number {
  return cases.shape(name).at(-3)! / base.patch_size[0];
}

test.each(['t', 'i', 'l'] as const)('mask %s', (part) => {
  const mask = visibilityMask(causalVisibility(configs[part], frames(`${part}.x`)), frameTokens(`${part}.x`));
  expect(mask.shape).toEqual(cases.shape(`${part}.mask`));
  expect(Array.from(mask.data as Uint8Array)).toEqual(cases.list(`${part}.mask`));
});

test('mask tf', () => {
  const mask = visibilityMask(teacherForcingVisibility(configs.t, frames('t.x')), frameTokens('t.x'));
  expect(mask.shape).toEqual(cases.shape('tf.mask'));
  expect(Array.from(mask.data as Uint8Array)).toEqual(cases.list('tf.mask'));
});

describe.each(['cpu', 'onnx'] as const)('on %s', (name) => {
  /** Runs a body with weights on the engine; nothing may be left behind. */
  const within = async (body: (weights: Weights) => Promise<void>) => {
    await engine.use(name);
    const before = tf.memory().numTensors;
    const { weights } = await wan.load(base, weightsFile.all);
    await body(weights);
    weights.dispose();
    expect(tf.memory().numTensors).toBe(before);
  };

  for (const attention of ['mask', 'blocks'] as const) {
    test.each(['t', 'i', 'l'] as const)(`training pass %s by ${attention}`, (part) =>
      within(async (weights) => {
        const seen = new Map<string, Tensor>();
        const out = tf.tidy(() => {
          const input = {
            x: toOurs(cases.tensor(`${part}.x`)),
            t: rows(`${part}.t`),
            context: cases.tensor(`${part}.context`),
          };
          const onValue = (layer: string, x: Tensor) => void seen.set(layer, tf.keep(tf.clone(x)));
          return toTheirs(wanCausalForward({ weights, config: configs[part] }, input, { attention, onValue }));
        });
        for (const mid of cases.names(`${part}.mid.block`)) {
          const found = seen.get(mid.replace(/^.*block(\d+)/, 'blocks.$1').replace(/\.out$/, ''));
          if (found) await expectParity(`wan-causal ${mid} [${name}]`, await found.data(), cases.values(mid));
        }
        await expectParity(`wan-causal ${part}.out by ${attention} [${name}]`, out, cases.host(`${part}.out`));
        tf.dispose([out, ...seen.values()]);
      }),
    );

    test(`teacher forcing by ${attention}`, () =>
      within(async (weights) => {
        const out = tf.tidy(() => {
          const [x, cleanX] = [toOurs(cases.tensor('t.x')), toOurs(cases.tensor('tf.clean_x'))];
          const input = { x, cleanX, t: rows('t.t'), context: cases.tensor('t.context') };
          return toTheirs(wanTeacherForcing({ weights, config: configs.t }, input, { attention }));
        });
        await expectParity(`wan-causal tf.out by ${attention} [${name}]`, out, cases.host('tf.out'));
        out.dispose();
      }));
  }

  test('gradients of the training pass, timesteps as a tensor', () =>
    within(async (weights) => {
      const variable = (key: string): Variable => tf.tidy(() => tf.variable(cases.tensor(key)));
      const [x, context, t] = [variable('t.x'), variable('t.context'), cases.tensor('t.t')];
      const probe = cases.tensor('t.probe');
      const { value, grads } = tf.variableGrads(() => {
        const out = toTheirs(wanCausalForward({ weights, config: configs.t }, { x: toOurs(x), t, context }));
        return tf.sum(tf.mul(out, probe)).asScalar();
      });
      await expectParity(`wan-causal t.scalar [${name}]`, await value.data(), cases.list('t.scalar'), { rtol: 1e-4 });
      for (const key of cases.names('t.grad.')) {
        const target = key.slice('t.grad.'.length);
        const inputs: Record<string, Variable> = { x, context };
        const at = inputs[target] ?? weights.variable(target.slice('w.'.length));
        const bounds = { rtol: 1e-4, atol: 1e-5 };
        await expectParity(`wan-causal ${key} [${name}]`, grads[at.name]!, cases.host(key), bounds);
      }
      tf.dispose([x, context, t, probe, value, grads]);
    }));

  test.each([
    ['k', 't', configs.t],
    ['w', 'l', configs.l],
  ] as const)('cache %s, block by block', (part, source, config) =>
    within(async (weights) => {
      const total = frames(`${source}.x`);
      const context = cases.tensor(`${source}.context`);
      const text = createCrossAttnCache({ weights, config }, context);
      context.dispose();
      let cache = createCache(config, frameTokens(`${source}.x`));
      const blocks: Tensor[] = [];
      for (const { start, end } of causalBlocks(config, total)) {
        const before: KvCache = cache;
        const velocity = tf.tidy(() => {
          const x = tf.slice(toOurs(cases.tensor(`${source}.x`)), [0, start, 0, 0, 0], [-1, end - start, -1, -1, -1]);
          const t = rows(`${source}.t`).map((row) => row.slice(start, end));
          const result = wanCachedForward({ weights, config }, { x, t, context: text }, before);
          cache = kept(result.cache);
          return result.velocity;
        });
        disposeCache(before);
        blocks.push(velocity);
      }
      const out = tf.tidy(() => toTheirs(tf.concat(blocks, 1)));
      await expectParity(`wan-causal ${part}.out [${name}]`, out, cases.host(`${part}.out`));
      await expectParity(`wan-causal ${part}.cache0.k [${name}]`, cache.layers[0]!.k, cases.host(`${part}.cache0.k`));
      await expectParity(`wan-causal ${part}.cache0.v [${name}]`, cache.layers[0]!.v, cases.host(`${part}.cache0.v`));
      if (cases.has(`${part}.cross0.k`)) {
        await expectParity(`wan-causal ${part}.cross0.k [${name}]`, text.layers[0]!.k, cases.host(`${part}.cross0.k`));
        await expectParity(`wan-causal ${part}.cross0.v [${name}]`, text.layers[0]!.v, cases.host(`${part}.cross0.v`));
      }
      disposeCache(cache);
      disposeCache(text);
      tf.dispose([...blocks, out]);
    }),
  );

  test('cache s: rolling with a sink, several passes over each block', () =>
    within(async (weights) => {
      const config = configs.s;
      const [passes] = cases.shape('s.x') as [number];
      const ends = cases.list('s.end_indices');
      let cache = createCache(config, frameTokens('s.x'));
      const outs: Tensor[][] = Array.from({ length: passes }, () => []);
      for (const [block, { start, end }] of causalBlocks(config, frames('s.x')).entries()) {
        for (const [pass, t] of cases.list('s.t').entries()) {
          const before = cache;
          const velocity = tf.tidy(() => {
            const all = tf.squeeze(tf.slice(cases.tensor('s.x'), [pass, 0, 0, 0, 0, 0], [1, -1, -1, -1, -1, -1]), [0]);
            const x = tf.slice(toOurs(all), [0, start, 0, 0, 0], [-1, end - start, -1, -1, -1]);
            const input = { x, t, context: cases.tensor('s.context') };
            const result = wanCachedForward({ weights, config }, input, before, { startFrame: start });
            cache = kept(result.cache);
            return result.velocity;
          });
          disposeCache(before);
          outs[pass]!.push(velocity);
        }
        expect([cache.globalEnd, cache.localEnd]).toEqual(ends.slice(2 * block, 2 * block + 2));
      }
      const out = tf.tidy(() => tf.stack(outs.map((blocks) => toTheirs(tf.concat(blocks, 1)))));
      await expectParity(`wan-causal s.out [${name}]`, out, cases.host('s.out'));
      await expectParity(`wan-causal s.cache0.k [${name}]`, cache.layers[0]!.k, cases.host('s.cache0.k'));
      await expectParity(`wan-causal s.cache_last.v [${name}]`, cache.layers.at(-1)!.v, cases.host('s.cache_last.v'));
      disposeCache(cache);
      tf.dispose([...outs.flat(), out]);
    }));

  test('sinusoids of a tensor of timesteps', () =>
    within(async () => {
      const [exact, computed] = tf.tidy(() => [
        timestepEmbedding(rows('t.t'), base.freq_dim),
        timestepEmbedding(cases.tensor('t.t'), base.freq_dim),
      ]) as [Tensor, Tensor];
      await expectParity(`wan-causal sinusoid in graph [${name}]`, computed, await exact.data(), { atol: 2e-6 });
      tf.dispose([exact, computed]);
    }));
});

/** A cache that outlives the enclosing `tf.tidy`. */
function kept(cache: KvCache): KvCache {
  for (const { k, v } of cache.layers) for (const tensor of [k, v]) tf.keep(tensor);
  return cache;
}
