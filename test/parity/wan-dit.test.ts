import { describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf, type Variable } from '../../src/engine/tf.ts';
import { wan, wanForward } from '../../src/model/internal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { ropeTables, sinusoid, timestepEmbedding } from '../../src/model/wan/positions.ts';
import { diffusersName } from '../../src/model/wan/weights.ts';
import { parameterCount, random } from '../../src/nn/index.ts';
import { checkShapes, shapesOf } from '../../src/nn/internal.ts';
import { expectParity, fixture } from './fixtures.ts';

const data = fixture('wan-dit');
const config = wanConfig(data.config);
const cases = await data.tensors();
const weightsFile = await data.tensors('weights.safetensors');

/** [C, F, H, W] of the fixture to [1, F, H, W, C]. */
const toOurs = (x: Tensor): Tensor => tf.expandDims(tf.transpose(x, [1, 2, 3, 0]), 0);
/** [1, F, H, W, C] to [C, F, H, W]. */
const toTheirs = (x: Tensor): Tensor => tf.transpose(tf.squeeze(x, [0]), [3, 0, 1, 2]);

test('rotary tables and sinusoids', async () => {
  const [, frames, height, width] = cases.shape('a.x') as [number, number, number, number];
  const [pt, ph, pw] = config.patch_size;
  const { cos, sin } = ropeTables(config, [frames / pt, height / ph, width / pw]);
  await expectParity('wan-dit rope cos', cos, cases.host('a.mid.rope_cos_f64'), { atol: 1e-12 });
  await expectParity('wan-dit rope sin', sin, cases.host('a.mid.rope_sin_f64'), { atol: 1e-12 });
  const [t = 0] = cases.list('a.t');
  const wanted = cases.host('a.mid.sinusoidal_f64');
  await expectParity('wan-dit sinusoid', sinusoid(t, config.freq_dim), wanted, { atol: 1e-12 });
});

test('official and diffusers names', () => {
  const keymap = data.json<Record<string, string>>('keymap_official_to_diffusers.json');
  for (const [official, diffusers] of Object.entries(keymap)) expect(diffusersName(official)).toBe(diffusers);
  expect(wanConfig(data.json('config_diffusers.json'))).toEqual({ ...config, text_len: 512 });
});

describe.each(['cpu', 'onnx'] as const)('on %s', (name) => {
  const within = async (body: () => Promise<void>) => {
    await engine.use(name);
    const before = tf.memory().numTensors;
    await body();
    expect(tf.memory().numTensors).toBe(before);
  };

  test('one sample, with intermediates', () =>
    within(async () => {
      const { weights } = await wan.load(config, weightsFile.all);
      const [t = 0] = cases.list('a.t');
      const seen = new Map<string, Tensor>();
      const out = tf.tidy(() => {
        const options = { onValue: (layer: string, x: Tensor) => void seen.set(layer, tf.keep(tf.clone(x))) };
        const input = { x: toOurs(cases.tensor('a.x')), t, context: tf.expandDims(cases.tensor('a.context'), 0) };
        return toTheirs(wanForward({ weights, config }, input, options));
      });
      for (const mid of cases.names('a.mid.block')) {
        const layer = mid.replace(/^a\.mid\.block(\d+)/, 'blocks.$1').replace(/\.out$/, '');
        const found = seen.get(layer);
        if (found) await expectParity(`wan-dit ${mid} [${name}]`, await found.data(), cases.host(mid).data as never);
      }
      await expectParity(`wan-dit a.mid.head [${name}]`, seen.get('head')!, cases.host('a.mid.head.out'));
      await expectParity(`wan-dit a.out [${name}]`, out, cases.host('a.out'));
      tf.dispose([...seen.values(), out]);
      weights.dispose();
    }));

  test('gradients', () =>
    within(async () => {
      const { weights } = await wan.load(config, weightsFile.all);
      const embedded = tf.tidy(() => timestepEmbedding(cases.list('a.t'), config.freq_dim));
      const [x, context] = ['a.x', 'a.context'].map((key) => tf.tidy(() => tf.variable(cases.tensor(key)))) as [
        Variable,
        Variable,
      ];
      const probe = cases.tensor('a.probe');
      const { value, grads } = tf.variableGrads(() => {
        const input = { x: toOurs(x), t: embedded, context: tf.expandDims(context, 0) };
        return tf.sum(tf.mul(toTheirs(wanForward({ weights, config }, input)), probe)).asScalar();
      });
      await expectParity(`wan-dit a.scalar [${name}]`, await value.data(), cases.list('a.scalar'), { rtol: 1e-4 });
      for (const key of cases.names('a.grad.')) {
        const target = key.slice('a.grad.'.length);
        const inputs: Record<string, Variable> = { x, context };
        const variable = inputs[target] ?? weights.variable(target.slice('w.'.length));
        const bounds = { rtol: 1e-4, atol: 1e-5 };
        await expectParity(`wan-dit ${key} [${name}]`, grads[variable.name]!, cases.host(key), bounds);
      }
      tf.dispose([embedded, x, context, probe, value, grads]);
      weights.dispose();
    }));

  test('samples of different sizes, padded', () =>
    within(async () => {
      const { weights } = await wan.load(config, weightsFile.all);
      const [seqLen = 0] = cases.list('b.seq_len');
      for (const [i, t] of cases.list('b.t').entries()) {
        for (const options of [{ seqLen }, {}]) {
          const out = tf.tidy(() => {
            const input = {
              x: toOurs(cases.tensor(`b.x${i}`)),
              t,
              context: tf.expandDims(cases.tensor(`b.context${i}`), 0),
            };
            return toTheirs(wanForward({ weights, config }, input, options));
          });
          await expectParity(`wan-dit b.out${i} [${name}]`, out, cases.host(`b.out${i}`));
          out.dispose();
        }
      }
      weights.dispose();
    }));

  test('weights under diffusers names', () =>
    within(async () => {
      const file = await data.tensors('weights_diffusers.safetensors');
      const { weights } = await wan.load(config, file.all);
      const [t = 0] = cases.list('a.t');
      const out = tf.tidy(() => {
        const input = { x: toOurs(cases.tensor('a.x')), t, context: tf.expandDims(cases.tensor('a.context'), 0) };
        return toTheirs(wanForward({ weights, config }, input));
      });
      await expectParity(`wan-dit a.out_diffusers [${name}]`, out, cases.host('a.out_diffusers'));
      out.dispose();
      weights.dispose();
    }));
});

test('fresh weights have the names and shapes of the checkpoint', async () => {
  await engine.use('cpu');
  const fresh = wan.init(config, random.key(1)).weights;
  checkShapes(fresh.shapes(), shapesOf(weightsFile.all));
  expect(parameterCount(fresh.shapes())).toBe(parameterCount(shapesOf(weightsFile.all)));
  fresh.dispose();
});
