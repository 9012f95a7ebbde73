import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf, type Variable } from '../../src/engine/tf.ts';
import { hostTensor } from '../../src/io/index.ts';
import { loadLora, saveLora } from '../../src/model/index.ts';
import { type WanConfig, wan, wanForward } from '../../src/model/internal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { swappedWan } from '../../src/model/wan/swapped.ts';
import { lora, mergeLora, type Net, scaleLora, toHost, withoutLora } from '../../src/nn/index.ts';
import { Learner } from '../../src/train/optimiser/learner.ts';
import { settleTraining } from '../../src/train/optimiser/learner-options.ts';
import { makeUpdate } from '../../src/train/optimiser/update.ts';
import { testFolder } from '../folder.ts';
import { expectParity, fixture } from './fixtures.ts';

const data = fixture('wan-lora');
const config = wanConfig(data.config);
const cases = await data.tensors();
const base = await data.tensors('weights.safetensors');
const folder = await testFolder('lora');
const notes = data.config['_lora'] as { strength: number; negative: number; two: [number, number]; train: Train };
const files = data.config['_files'] as Record<string, { expect: string }>;

interface Train {
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  steps: number;
}

const toOurs = (x: Tensor): Tensor => tf.expandDims(tf.transpose(x, [1, 2, 3, 0]), 0);
const toTheirs = (x: Tensor): Tensor => tf.transpose(tf.squeeze(x, [0]), [3, 0, 1, 2]);
const [t = 0] = cases.list('a.t');

function outOf(net: Pick<Net<WanConfig>, 'weights' | 'config'>, x: Tensor, context: Tensor): Tensor {
  return toTheirs(wanForward(net, { x: toOurs(x), t, context: tf.expandDims(context, 0) }));
}

async function expectOut(net: Net<WanConfig>, name: string): Promise<void> {
  const out = tf.tidy(() => outOf(net, cases.tensor('a.x'), cases.tensor('a.context')));
  await expectParity(`wan-lora ${name}`, out, cases.host(name));
  out.dispose();
}

async function expectMerged(net: Net<WanConfig>, name: string): Promise<void> {
  const merged = mergeLora(net);
  for (const key of cases.names(`${name}.merged.`)) {
    const weight = key.slice(`${name}.merged.`.length);
    await expectParity(`wan-lora ${name}.merged`, merged.weights.get(weight), cases.host(key), { atol: 1e-6 });
  }
  await expectOut(merged, `${name}.out`);
  merged.dispose();
}

describe.each(['cpu', 'onnx'] as const)('on %s', (name) => {
  let net: Net<WanConfig>;
  beforeAll(async () => {
    await engine.use(name);
    net = await wan.load(config, base.all);
  });

  const options: Record<string, { config?: string; strength?: number }> = {
    'peft_state_dict.safetensors': { config: data.path('peft/adapter_config.json') },
    'comfy_full.safetensors': { strength: notes.strength },
  };

  test.each(Object.entries(files).filter(([, { expect }]) => expect !== 'two'))('%s', async (file, wanted) => {
    const before = tf.memory().numTensors;
    const adapted = await loadLora(net, data.path(file), options[file]);
    await expectOut(adapted, `${wanted.expect}.out`);
    await expectMerged(adapted, wanted.expect);
    adapted.dispose();
    expect(tf.memory().numTensors).toBe(before);
    await expectOut(net, 'base.out');
  });

  test('strength, a negative one, two over each other, and none', async () => {
    const one = await loadLora(net, data.path('comfy.safetensors'), { strength: notes.strength });
    await expectOut(one, 'strength.out');
    await expectOut(scaleLora(one, notes.negative), 'negative.out');
    await expectOut(scaleLora(one, 0), 'base.out');
    await expectOut(withoutLora(one), 'base.out');
    const [first, second] = notes.two;
    const two = await loadLora(scaleLora(one, first), data.path('kohya_2.safetensors'), { strength: second });
    await expectOut(two, 'two.out');
    await expectMerged(two, 'two');
    two.dispose();
    one.dispose();
  });

  test('a file without an adapter_config.json counts once, with one beside it as that says', async () => {
    const plain = await loadLora(net, data.path('peft_state_dict.safetensors'));
    await expectOut(plain, 'noalpha.out');
    plain.dispose();
    const beside = join(folder, `beside-${name}`);
    await mkdir(beside);
    await writeFile(join(beside, 'any.safetensors'), await readFile(data.path('peft_state_dict.safetensors')));
    await writeFile(join(beside, 'adapter_config.json'), await readFile(data.path('peft/adapter_config.json')));
    const scaled = await loadLora(net, join(beside, 'any.safetensors'));
    await expectOut(scaled, 'one.out');
    scaled.dispose();
    const peft = await loadLora(net, data.path('peft')); // the folder as PEFT calls it
    await expectOut(peft, 'one.out');
    peft.dispose();
  });

  test('gradients of the factors and of the inputs, none of the base', async () => {
    const adapted = await loadLora(net, data.path('comfy.safetensors'));
    const { weights } = adapted;
    expect(weights.trainable()).toHaveLength(weights.names().length);
    const inputs = ['x', 'context'].map((key) => tf.tidy(() => tf.variable(cases.tensor(`a.${key}`)))) as Variable[];
    const [x, context] = inputs as [Variable, Variable];
    const probe = cases.tensor('a.probe');
    const { value, grads } = tf.variableGrads(
      () => tf.sum(tf.mul(outOf(adapted, x, context), probe)).asScalar(),
      [...weights.trainable(), x, context],
    );
    await expectParity(`wan-lora scalar [${name}]`, await value.data(), cases.list('one.scalar'), { rtol: 1e-4 });
    for (const key of cases.names('one.grad.')) {
      const [, part, module] = /^one\.grad\.(lora_[AB])\.(.*)$/.exec(key) ?? [];
      const input = key.endsWith('.x') ? x : context;
      const variable = part === undefined ? input : weights.variable(`${module}.${part}.weight`);
      await expectParity(`${key} [${name}]`, grads[variable.name]!, cases.host(key), { rtol: 1e-4, atol: 1e-6 });
    }
    tf.dispose([...inputs, probe, value, ...Object.values(grads)]);
    adapted.dispose();
  });

  test('three updates of the adapter alone', async () => {
    const adapted = await loadLora(net, data.path('comfy.safetensors'));
    for (const [key, variable] of adapted.weights.entries()) {
      if (key.includes('lora_B')) tf.tidy(() => variable.assign(tf.zerosLike(variable)));
    }
    const { weight_decay: weightDecay, steps, ...rest } = notes.train;
    const { lr, betas, eps } = rest;
    const settings = settleTraining(adapted, { lr, betas, eps, weightDecay, clip: null });
    const learner = new Learner('student', adapted, settings);
    const frozen = (await learner.checksums()).frozen;
    const [x, context, target] = ['a.x', 'a.context', 'train.target'].map((key) => cases.tensor(key)) as Tensor[];
    const update = makeUpdate(learner, (from: Tensor, text: Tensor, wanted: Tensor) => ({
      loss: tf.mean(tf.squaredDifference(outOf(adapted, from, text), wanted)),
    }));
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) losses.push((await update(x!, context!, target!)).loss);
    const wanted = cases.list('train.losses').slice(0, steps);
    await expectParity(`wan-lora losses [${name}]`, losses, wanted, { atol: 0, rtol: 1e-5 });
    for (const key of cases.names(`train.step${steps}.`)) {
      const [, part, module] = /\.(lora_[AB])\.(.*)$/.exec(key)!;
      const bounds = { atol: 0, rtol: 2e-4 };
      await expectParity(
        `wan-lora trained [${name}]`,
        adapted.weights.get(`${module}.${part}.weight`),
        cases.host(key),
        bounds,
      );
    }
    expect((await learner.checksums()).frozen).toBe(frozen);
    await expectOut(net, 'base.out');
    update.dispose();
    learner.dispose();
    tf.dispose([x!, context!, target!]);
    adapted.dispose();
  });

  test.each(['diffusers', 'peft', 'comfyui', 'kohya', 'longlive'] as const)(
    '%s: what is written is read back with its bits',
    async (naming) => {
      const adapted = await loadLora(net, data.path('comfy.safetensors'));
      const ending = { peft: '', longlive: '.pt' } as Record<string, string>;
      const path = join(folder, `${naming}-${name}${ending[naming] ?? '.safetensors'}`);
      await saveLora(adapted, path, { naming });
      const again = await loadLora(net, path);
      await expectOut(again, 'one.out');
      expect(again.weights.names().sort()).toEqual(adapted.weights.names().sort());
      for (const [key, variable] of adapted.weights.entries()) {
        if (naming === 'longlive' && key.includes('lora_B')) continue; // alpha / rank is multiplied into them
        expect((await toHost(again.weights.variable(key))).data, key).toEqual((await toHost(variable)).data);
      }
      again.dispose();
      adapted.dispose();
    },
  );

  test('full differences go into ComfyUI naming, and no other has names for them', async () => {
    const full = await loadLora(net, data.path('comfy_full.safetensors'), { strength: notes.strength });
    const path = join(folder, `full-${name}.safetensors`);
    await saveLora(full, path, { naming: 'comfyui' });
    const again = await loadLora(net, path); // the strength is in the file
    await expectOut(again, 'full.out');
    again.dispose();
    for (const naming of ['diffusers', 'peft', 'kohya', 'longlive'] as const) {
      await expect(saveLora(full, `${path}.x`, { naming })).rejects.toThrow(
        /no name for the full difference .* comfyui/,
      );
    }
    full.dispose();
  });

  test('over a transformer whose blocks are swapped', async () => {
    const before = tf.memory().numTensors;
    const swapped = swappedWan(config, { read: (key) => base.host(key) });
    const adapted = await loadLora(swapped, data.path('comfy_full.safetensors'), { strength: notes.strength });
    await expectOut(adapted as unknown as Net<WanConfig>, 'full.out');
    adapted.dispose();
    swapped.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('files that others load without a word', () => {
  const hostile = data.json<Record<string, { want: string; why: string }>>('hostile/expected.json');

  test.each(Object.entries(hostile))('%s', async (file, { want }) => {
    await engine.use('cpu');
    const net = await wan.load(config, base.all);
    const before = tf.memory().numTensors;
    const path = data.path(`hostile/${file}`);
    await expect(loadLora(net, path)).rejects.toThrow(file.replace('nan_value.safetensors', 'NaN or infinite'));
    if (want === 'report') {
      const told: string[] = [];
      const adapted = await loadLora(net, path, { onUnfit: (modules) => told.push(...modules) });
      expect(told.length).toBeGreaterThan(1);
      expect(adapted.weights.names()).toHaveLength(2);
      adapted.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
  });

  test('what is in the way is said by its name', async () => {
    await engine.use('cpu');
    const net = await wan.load(config, base.all);
    const told = (file: string) => expect(loadLora(net, data.path(`hostile/${file}.safetensors`))).rejects;
    await told('unknown_module').toThrow(
      /self_attn\.qkv, diffusion_model\.blocks\.2\.self_attn\.q; 1 other weights fit/,
    );
    await told('wrong_in_dim').toThrow(
      /has A \[4,56\] and B \[48,4\], wanted A \[rank, 48\].* for blocks.0.self_attn.q.weight/,
    );
    await told('foreign_ltx').toThrow(/none of its modules.*transformer_blocks\.0\.attn1\.to_q.*another model/);
    await told('dora').toThrow(/dora_scale belongs to DoRA/);
    await told('duplicate_names').toThrow(
      /lora_A.weight and lora_unet_blocks_0_self_attn_q.lora_down.weight both change/,
    );
    await told('alpha_zero').toThrow(/alpha is 0/);
    net.dispose();
  });

  test('a pattern that would keep a matcher busy is refused', async () => {
    await engine.use('cpu');
    const net = await wan.load(config, base.all);
    const path = join(folder, 'pattern.json');
    await writeFile(path, JSON.stringify({ lora_alpha: 6, alpha_pattern: { '(a+)+b': 3 } }));
    const loaded = loadLora(net, data.path('peft_state_dict.safetensors'), { config: path });
    await expect(loaded).rejects.toThrow(/too involved/);
    net.dispose();
  });
});

test('a fresh LoRA changes nothing, and only the modules that were asked for', async () => {
  await engine.use('cpu');
  const net = await wan.load(config, base.all);
  const student = lora(net, { rank: 2, targets: ['self_attn.q', 'ffn.0'] });
  expect(student.weights.names()).toHaveLength(2 * 2 * config.num_layers);
  await expectOut(student, 'base.out');
  expect(await student.checksum()).not.toBe(await net.checksum());
  expect(() => lora(net, { rank: 0 })).toThrow('rank: wanted a whole number from 1, received 0');
  expect(() => lora(net, { rank: 2, targets: ['nothing'] })).toThrow(
    'targets: no matrix of Wan transformer ends in nothing',
  );
  expect(() => scaleLora(net, 1)).toThrow('wanted one with a LoRA');
  student.dispose();
  const patch = lora(net, { rank: 2, alpha: 4, targets: ['patch_embedding'] }); // a convolution
  const up = patch.weights.variable('patch_embedding.lora_B.weight');
  tf.tidy(() => up.assign(tf.onesLike(up)));
  const merged = mergeLora(patch);
  const [change, a] = [
    tf.tidy(() => tf.sub(merged.weights.get('patch_embedding.weight'), net.weights.get('patch_embedding.weight'))),
    patch.weights.variable('patch_embedding.lora_A.weight'),
  ];
  const wanted = tf.tidy(() => tf.tile(tf.expandDims(tf.mul(tf.sum(a, 0), 2), 0), [config.dim, 1, 1, 1, 1]));
  const values = hostTensor('float32', wanted.shape, (await wanted.data()) as Float32Array);
  await expectParity('wan-lora convolution', change, values, { atol: 1e-6 });
  tf.dispose([change, wanted]);
  for (const owned of [patch, merged, net]) owned.dispose();
});
