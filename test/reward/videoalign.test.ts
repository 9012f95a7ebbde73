import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { compile, use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type HostTensor, writeSafetensors } from '../../src/io/index.ts';
import {
  openVideoAlign,
  openVideoAlignPrompts,
  readVideoAlignTemplate,
  type VideoAlignOptions,
  type VideoAlignPrompts,
  type VideoAlignReward,
} from '../../src/reward/index.ts';
import { testFolder } from '../folder.ts';
import {
  noisy,
  tinyVideoAlign,
  tinyVideoAlignNet,
  videoAlignDials,
  videoAlignSizes,
  videoAlignTemplate,
  videoAlignTokenizer,
  videoAlignTokens,
} from './tiny.ts';

const folder = await testFolder('videoalign');
let prompts: VideoAlignPrompts;

beforeAll(async () => {
  await use('onnx');
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(videoAlignTokenizer));
  prompts = await openVideoAlignPrompts(join(folder, 'tokenizer.json'), videoAlignTemplate);
});

const sized = { ...videoAlignDials, config: videoAlignSizes };

function judge(options: VideoAlignOptions = {}, outputs = 1): VideoAlignReward {
  return tinyVideoAlign(prompts, options, outputs);
}

const clips = (count: number, frames = 5): Tensor => noisy(count, frames, 18, 22, 3);

test('special tokens follow the last id of the tokenizer', () => {
  const first = videoAlignTokens;
  expect(prompts.specialTokens).toEqual([first, first + 1, first + 2]);
  const { before, after, mask } = prompts.batch(['fox', 'fox snow']);
  expect([before.shape[0], after.shape, mask.shape[1]]).toEqual([2, [2, 11], 11]);
  expect(mask.arraySync()).toEqual([
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  ]);
});

test('scores do not depend on the batch; only text alignment depends on the prompt', async () => {
  const reward = judge();
  const videos = clips(2);
  const both = await reward.dimensions(videos, reward.encode(['fox snow look', 'fox'])).data();
  const alone = await reward.dimensions(tf.slice(videos, [1], [1]), reward.encode(['fox'])).data();
  expect(alone).toBeAllClose([...both.slice(3)], { atol: 1e-4 });
  const other = await reward.dimensions(videos, reward.encode(['snow', 'snow'])).data();
  expect([other[0]!, other[1]!]).toBeAllClose([both[0]!, both[1]!], { atol: 1e-5 });
  expect(Math.abs(other[2]! - both[2]!)).toBeGreaterThan(1e-3);
  reward.dispose();
});

test('overall is the sum of the standardised dimensions', async () => {
  const scale = { VQ_mean: 1, VQ_std: 2, MQ_mean: 0.5, MQ_std: 4, TA_mean: -1, TA_std: 0.5 };
  const video = clips(1);
  const raw = judge();
  const [vq, mq, ta] = await raw.dimensions(video, raw.encode(['fox'])).data();
  const overall = await judge({ scale }).score(video, ['fox']);
  expect(overall).toBeAllClose([(vq! - 1) / 2 + (mq! - 0.5) / 4 + (ta! + 1) / 0.5], { atol: 1e-4 });
  const motion = judge({ scale, dimension: 'motionQuality' });
  expect(await motion.score(video, ['fox'])).toBeAllClose([(mq! - 0.5) / 4], { atol: 1e-4 });
  expect(motion.info).toMatchObject({ kind: 'clip', differentiable: true, mean: 0.5, std: 4 });
  raw.dispose();
  motion.dispose();
});

test('a head with three rows reads each dimension by its own row', async () => {
  const [one, three] = [judge(), judge({}, 3)];
  const video = clips(1);
  const scores = await Promise.all([one, three].map((r) => r.dimensions(video, r.encode(['fox'])).data()));
  expect(scores[1]).toHaveLength(3);
  expect(Math.abs(scores[0]![1]! - scores[1]![1]!)).toBeGreaterThan(1e-4);
  one.dispose();
  three.dispose();
});

type Slope = { value: Tensor; grad: Tensor };

test('a compiled step gives the same score and gradient for other clips and prompts', async () => {
  const reward = judge();
  const step = (x: Tensor, before: Tensor, after: Tensor, mask: Tensor) =>
    tf.valueAndGrad((y: Tensor) => tf.sum(reward.compute(y, { before, after, mask })))(x);
  const compiled = compile(step);
  for (const [i, prompt] of ['fox', 'snow', 'look', 'other'].entries()) {
    const video = tf.mul(clips(1), 1 - 0.1 * i);
    const { before, after, mask } = reward.encode([prompt]);
    const [fast, slow] = [compiled, step].map((run) => run(video, before, after, mask)) as [Slope, Slope];
    expect(await fast.value.data()).toBeAllClose(await slow.value.data(), { atol: 1e-4 });
    expect(await fast.grad.data()).toBeAllClose(await slow.grad.data(), { atol: 1e-6, rtol: 1e-4 });
  }
  expect(compiled.status().replayed).toBe(2);
  compiled.dispose();
  reward.dispose();
});

test('the published files: a checkpoint and its settings', async () => {
  const scale = { VQ_mean: 1, VQ_std: 2, MQ_mean: 0.5, MQ_std: 4, TA_mean: -1, TA_std: 0.5 };
  const checkpoint = join(folder, 'model.safetensors');
  const net = tinyVideoAlignNet(3);
  const stored = [...(await net.weights.toHost())].map(([name, host]) => [`base_model.model.${name}`, host] as const);
  net.dispose();
  await writeSafetensors(checkpoint, new Map(stored));
  const modelConfig = join(folder, 'model_config.json');
  await writeFile(modelConfig, JSON.stringify({ model_config: { output_dim: 3 }, inference_config: scale }));
  const tokenizer = join(folder, 'tokenizer.json');
  const opened = await openVideoAlign({ checkpoint, modelConfig, tokenizer, template: videoAlignTemplate }, sized);
  const made = judge({ scale }, 3);
  const video = clips(1);
  expect(await opened.score(video, ['fox'])).toBeAllClose(await made.score(video, ['fox']), { atol: 1e-5 });
  opened.dispose();
  made.dispose();
});

test('files that do not fit are named', async () => {
  const [checkpoint, modelConfig] = [join(folder, 'small.safetensors'), join(folder, 'partial.json')];
  await writeSafetensors(checkpoint, new Map());
  const files = { checkpoint, modelConfig, tokenizer: join(folder, 'tokenizer.json'), template: videoAlignTemplate };
  const open = (changed: Partial<typeof files> = {}) => openVideoAlign({ ...files, ...changed }, sized);
  await writeFile(
    modelConfig,
    JSON.stringify({ inference_config: { VQ_mean: 1, VQ_std: 2, MQ_mean: 0, MQ_std: '1' } }),
  );
  await expect(open()).rejects.toThrow(/partial\.json: inference_config has no number under MQ_std, TA_mean, TA_std/);
  await writeFile(modelConfig, '{}');
  await expect(open()).rejects.toThrow(/small\.safetensors: .*missing: visual\.patch_embed/);
  await expect(open({ tokenizer: modelConfig })).rejects.toThrow(/partial\.json has no model\.vocab/);
  await writeFile(modelConfig, '{');
  await expect(open()).rejects.toThrow(/partial\.json is no JSON/);
});

test('the published files in parts: base model, LoRA factors, and what trained fully', async () => {
  const path = (name: string) => join(folder, name);
  const whole = tinyVideoAlignNet(1);
  const hosts = [...(await whole.weights.toHost())];
  whole.dispose();
  const isRest = (name: string) => name.startsWith('visual.') || name.startsWith('rm_head');
  const rows = videoAlignSizes.vocab_size + 5;
  const wide = new Float32Array(rows * 16);
  const table: HostTensor = { dtype: 'float32', shape: [rows, 16], data: wide };
  const base = hosts
    .filter(([name]) => !name.startsWith('rm_head'))
    .map(([name, host]) => {
      const { data } = host;
      if (name === 'model.embed_tokens.weight') wide.set(data as Float32Array);
      const widened = name === 'model.embed_tokens.weight' ? table : host;
      return [name, isRest(name) ? { ...host, data: new Float32Array(data.length) } : widened] as const;
    });
  await writeSafetensors(path('base.safetensors'), new Map(base));
  const rest = hosts
    .filter(([name]) => isRest(name))
    .map(([name, host]) => [`base_model.model.${name}`, host] as const);
  await writeSafetensors(path('rest.safetensors'), new Map(rest));
  const module = 'model.layers.1.self_attn.q_proj';
  const [a, b] = [noisy(2, 16), noisy(16, 2)].map((x) => ({
    dtype: 'float32' as const,
    shape: x.shape,
    data: x.dataSync() as Float32Array,
  }));
  const factors = { [`${module}.lora_A.weight`]: a!, [`${module}.lora_B.weight`]: b! };
  const named = Object.entries(factors).map(([name, host]) => [`base_model.model.${name}`, host] as const);
  await writeSafetensors(path('adapter.safetensors'), new Map(named));
  const changed = hosts.map(([name, host]) => {
    const change = tf.mul(tf.matMul(tf.tensor2d(b!.data, [16, 2]), tf.tensor2d(a!.data, [2, 16])), 2).dataSync();
    const data = name === `${module}.weight` ? (host.data as Float32Array).map((x, i) => x + change[i]!) : host.data;
    return [name, { ...host, data }] as const;
  });
  await writeSafetensors(path('merged.safetensors'), new Map(changed));
  const config = { peft_lora_config: { lora_enable: true, lora_r: 2, lora_alpha: 4 } };
  await writeFile(path('model_config.json'), JSON.stringify(config));
  const common = {
    modelConfig: path('model_config.json'),
    tokenizer: path('tokenizer.json'),
    template: videoAlignTemplate,
  };
  const parts = {
    base: path('base.safetensors'),
    adapter: path('adapter.safetensors'),
    rest: path('rest.safetensors'),
  };
  const scores: number[][] = [];
  for (const checkpoint of [parts, path('merged.safetensors')]) {
    const reward = await openVideoAlign({ ...common, checkpoint }, sized);
    scores.push(await reward.score(clips(1), ['fox']));
    reward.dispose();
  }
  expect(scores[0]).toBeAllClose(scores[1]!, { atol: 1e-5 });
  const strange = { ...parts, base: path('rest.safetensors') };
  const opened = openVideoAlign({ ...common, checkpoint: strange }, sized);
  await expect(opened).rejects.toThrow(`${module}.weight: the adapter changes it`);
});

test('faults name what is wrong', async () => {
  const path = join(folder, 'tokenizer.json');
  await expect(openVideoAlignPrompts(path, 'no place for it')).rejects.toThrow('{text_prompt}');
  expect(() => prompts.batch(['a <|VQ_reward|> fox'])).toThrow('plain text');
  await expect(readVideoAlignTemplate(path)).rejects.toThrow('prompt_template.py');
  await expect(openVideoAlignPrompts(path, videoAlignTemplate, { padding: '<|none|>' })).rejects.toThrow('<|none|>');
  const short = await openVideoAlignPrompts(path, videoAlignTemplate, { textLength: 3 });
  expect(() => short.batch(['fox'])).toThrow('textLength is 3');
});
