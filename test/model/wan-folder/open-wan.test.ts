import { copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import { readSafetensors, writeSafetensors } from '../../../src/io/index.ts';
import { saveLora } from '../../../src/model/index.ts';
import { vae, type WanConfig, wanForward, wanPresets, wanShapes } from '../../../src/model/internal.ts';
import { umt5Name } from '../../../src/model/text/umt5.ts';
import { vaeDiffusersName } from '../../../src/model/vae/layers.ts';
import { diffusersName } from '../../../src/model/wan/weights.ts';
import { describeWan, type OpenWanOptions, openWan } from '../../../src/model/wan-folder/open-wan.ts';
import { writeRandomWan } from '../../../src/model/wan-folder/random-wan.ts';
import { lora, type Net, parameterCount, random, toTensor } from '../../../src/nn/index.ts';
import { planMemory } from '../../../src/sampler/index.ts';
import { testFolder } from '../../folder.ts';
import { writeSparse } from '../sparse-file.ts';

const transformer = 'diffusion_pytorch_model.safetensors';
const folder = await testFolder('wan');
let scratch = '';

beforeAll(async () => {
  await use('cpu');
  await writeRandomWan(folder, random.key(4));
});
beforeEach(async () => {
  scratch = await mkdtemp(join(folder, 'scratch-'));
});

/** Velocity of one fixed input. */
async function velocity(options: OpenWanOptions, from: string = folder): Promise<Float32Array> {
  const wan = await openWan(from, options);
  const key = random.key(9);
  const x = toTensor(key.stream('x').normal([1, 2, 4, 4, wan.net.config.in_dim]));
  const context = await wan.text.encode(['A cat runs.']);
  const y = wanForward(wan.net, { x, t: 700, context });
  const values = (await y.data()) as Float32Array;
  tf.dispose([x, context, y]);
  wan.dispose();
  return values;
}

/** The folder in the layout of diffusers. */
async function diffusersFolder(): Promise<string> {
  const to = scratch;
  for (const part of ['transformer', 'vae', 'text_encoder', 'tokenizer']) await mkdir(join(to, part));
  const rename = async (from: string, file: string, name: (official: string) => string): Promise<void> => {
    const tensors = await readSafetensors(join(folder, from));
    await writeSafetensors(
      join(to, file),
      [...tensors].map(([key, tensor]) => [name(key), tensor] as const),
    );
  };
  const { tiny } = vae.presets;
  await rename(transformer, `transformer/${transformer}`, diffusersName);
  await rename('Wan2.1_VAE.safetensors', `vae/${transformer}`, (name) => vaeDiffusersName(tiny, name));
  await rename('models_t5_umt5-xxl-enc-bf16.safetensors', 'text_encoder/model.safetensors', transformersName);
  await copyFile(join(folder, 'google/umt5-xxl/tokenizer.json'), join(to, 'tokenizer/tokenizer.json'));
  const { num_heads, dim, in_dim, out_dim, ...rest } = wanPresets.tiny;
  const heads = { num_attention_heads: num_heads, attention_head_dim: dim / num_heads };
  const { rope_theta: _, num_frame_per_block: __, local_attn_size: ___, sink_size: ____, ...known } = rest;
  const { independent_first_frame: _____, ...config } = {
    ...known,
    ...heads,
    in_channels: in_dim,
    out_channels: out_dim,
  };
  await writeFile(
    join(to, 'transformer/config.json'),
    JSON.stringify({ _class_name: 'WanTransformer3DModel', ...config }),
  );
  const { dim: base_dim, ...vaeRest } = tiny;
  await writeFile(
    join(to, 'vae/config.json'),
    JSON.stringify({ _class_name: 'AutoencoderKLWan', base_dim, ...vaeRest }),
  );
  return to;
}

/** The inverse of `umt5Name`. */
function transformersName(official: string): string {
  const candidates = ['shared.weight', 'encoder.final_layer_norm.weight'];
  const parts = [
    'SelfAttention.q',
    'SelfAttention.k',
    'SelfAttention.v',
    'SelfAttention.o',
    'SelfAttention.relative_attention_bias',
    'layer_norm',
  ];
  const dense = ['DenseReluDense.wi_0', 'DenseReluDense.wi_1', 'DenseReluDense.wo', 'layer_norm'];
  const block = /^blocks\.(\d+)\./.exec(official)?.[1] ?? '0';
  candidates.push(...parts.map((part) => `encoder.block.${block}.layer.0.${part}.weight`));
  candidates.push(...dense.map((part) => `encoder.block.${block}.layer.1.${part}.weight`));
  return candidates.find((name) => umt5Name(name) === official)!;
}

test('an official folder opens as its preset, and everything is freed', async () => {
  const before = tf.memory().numTensors;
  const wan = await openWan(folder);
  expect(wan).toMatchObject({
    preset: 'tiny',
    blocks: 'resident',
    net: { config: { dim: 64, num_heads: 2, text_len: 6 } },
  });
  expect(wan.decoder.config).toBe(vae.presets.tiny);
  expect(wan.text).toMatchObject({ textLen: 6, config: { dim: 24, vocab: 260, num_heads: 2, num_layers: 2 } });
  wan.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('blocks in host memory or in the file give the same bits; bfloat16 gives nearly the same', async () => {
  const resident = await velocity({});
  expect(await velocity({ blocks: 'host' })).toEqual(resident);
  expect(await velocity({ blocks: 'file' })).toEqual(resident);
  const narrow = await velocity({ blocks: 'host-bfloat16' });
  expect(narrow).not.toEqual(resident);
  expect(narrow).toBeAllClose(resident, { atol: 0, rtol: 0.03 });
});

test('LoRAs lie over resident and swapped blocks alike, and what they are is known beforehand', async () => {
  const before = tf.memory().numTensors;
  const { net, dispose } = await openWan(folder);
  const student = lora(net as Net<WanConfig>, { rank: 2 });
  for (const [name, variable] of student.weights.entries()) {
    if (name.includes('lora_B')) tf.tidy(() => variable.assign(tf.fill(variable.shape, 0.1)));
  }
  const path = join(scratch, 'lora.safetensors');
  await saveLora(student, path, { naming: 'comfyui' });
  const count = parameterCount(student.weights.shapes());
  student.dispose();
  dispose();
  const [plain, on] = [await velocity({}), await velocity({ loras: [{ path }] })];
  expect(on).not.toEqual(plain);
  expect(await velocity({ loras: [{ path, strength: 0 }] })).toEqual(plain);
  expect(await velocity({ loras: [{ path }], blocks: 'file' })).toEqual(on);
  expect(await velocity({ loras: [{ path }, { path, strength: -1 }] })).toBeAllClose(plain, { atol: 1e-5 });
  const described = await describeWan(folder, { loras: [{ path }, { path }] });
  expect(described.loraParameters).toBe(2 * count);
  expect(planMemory(described, {}).rows).toContainEqual({ what: 'LoRA', phase: 'all', bytes: 8 * count });
  await expect(openWan(folder, { loras: [{ path }, { path: join(folder, transformer) }] })).rejects.toThrow(/no LoRA/);
  expect(tf.memory().numTensors).toBe(before);
});

test("the same model in diffusers' layout gives the same bits", async () => {
  expect(await velocity({}, await diffusersFolder())).toEqual(await velocity({}));
});

test('a student takes the place of the transformer, with causal keys of its own', async () => {
  const student = join(scratch, 'student.safetensors');
  const tensors = await readSafetensors(join(folder, transformer));
  await writeSafetensors(
    student,
    [...tensors].map(([name, tensor]) => [`model.${name}`, tensor] as const),
  );
  const wan = await openWan(folder, { student, config: { local_attn_size: 4, sink_size: 1 } });
  expect(wan.files.dit).toBe(student);
  expect(wan.net.config).toMatchObject({ dim: 64, local_attn_size: 4, sink_size: 1 });
  wan.dispose();
});

describe('refusals', () => {
  test('missing files are named with the place that has them', async () => {
    await expect(openWan(scratch)).rejects.toThrow(
      /has no diffusion_pytorch_model\.safetensors .*Wan2\.1_VAE\.pth, models_t5_umt5-xxl-enc-bf16\.pth, google\/umt5-xxl\/tokenizer\.json.*huggingface\.co\/Wan-AI/,
    );
  });

  async function copyWith(tensors: Parameters<typeof writeSafetensors>[1], config?: object): Promise<string> {
    for (const file of ['Wan2.1_VAE.safetensors', 'models_t5_umt5-xxl-enc-bf16.safetensors'])
      await copyFile(join(folder, file), join(scratch, file));
    await mkdir(join(scratch, 'google/umt5-xxl'), { recursive: true });
    await copyFile(join(folder, 'google/umt5-xxl/tokenizer.json'), join(scratch, 'google/umt5-xxl/tokenizer.json'));
    await writeSafetensors(join(scratch, transformer), tensors);
    if (config) await writeFile(join(scratch, 'config.json'), JSON.stringify(config));
    return scratch;
  }

  test('weights that are missing or of another preset are listed', async () => {
    const tensors = await readSafetensors(join(folder, transformer));
    await expect(openWan(folder, { preset: 'wan2.1-t2v-1.3b' })).rejects.toThrow(/misshapen.*patch_embedding\.weight/);
    tensors.delete('blocks.1.ffn.2.bias');
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object;
    await expect(openWan(await copyWith(tensors, config))).rejects.toThrow(/1 missing: blocks\.1\.ffn\.2\.bias/);
  });

  test('image-to-video and foreign files say so', async () => {
    const foreign = await readSafetensors(join(folder, 'Wan2.1_VAE.safetensors'));
    await expect(openWan(await copyWith(foreign))).rejects.toThrow(/not a Wan transformer/);
    const shapes = new Map<string, readonly number[]>(wanShapes(wanPresets.tiny));
    await writeSparse(join(scratch, transformer), shapes.set('img_emb.proj.1.weight', [4, 4]));
    await expect(openWan(scratch)).rejects.toThrow(/image-to-video/);
  });

  test('an index without one of its shards names the shard', async () => {
    await copyWith(await readSafetensors(join(folder, transformer)));
    const map = { 'head.modulation': 'diffusion_pytorch_model-00002-of-00002.safetensors' };
    await writeFile(join(scratch, `${transformer}.index.json`), JSON.stringify({ weight_map: map }));
    await expect(openWan(scratch)).rejects.toThrow(/00002-of-00002\.safetensors is missing/);
  });
});

describe('prompts', () => {
  const hard = [
    '',
    '   ',
    'A cat runs.',
    '一只猫在跑',
    'قطة تجري',
    '🐈‍⬛ runs',
    'x'.repeat(5000),
    '\u0000\ud800 odd',
    '<b>&amp;</b>',
  ];

  async function rowsOf(prompt: string, cache: string | null): Promise<Float32Array> {
    const wan = await openWan(folder, { promptCache: cache });
    const rows = await wan.text.encode([prompt]);
    expect(rows.shape[1]).toBeLessThanOrEqual(6);
    const values = (await rows.data()) as Float32Array;
    rows.dispose();
    wan.dispose();
    return values;
  }

  test.each([...hard.entries()])('prompt %i is encoded, and once more from the cache', async (_, prompt) => {
    const fresh = await rowsOf(prompt, null);
    expect(fresh.every(Number.isFinite)).toBe(true);
    expect(await rowsOf(prompt, scratch)).toEqual(fresh);
    expect(await rowsOf(prompt, scratch)).toEqual(fresh);
  });

  test('several prompts share one tensor, shorter ones end in zeros', async () => {
    const wan = await openWan(folder, { promptCache: null });
    const [both, short] = [await wan.text.encode(['abcdef', 'a']), await wan.text.encode(['a'])] as [Tensor, Tensor];
    expect(both.shape).toEqual([2, 6, 24]);
    const second = Array.from((await both.data()).slice(6 * 24));
    const alone = Array.from(await short.data());
    expect(second).toEqual([...alone, ...Array<number>(6 * 24 - alone.length).fill(0)]);
    tf.dispose([both, short]);
    wan.dispose();
  });

  test('umt5Name leaves official and foreign names alone', () => {
    expect(['norm.weight', 'encoder.conv1.weight', 'encoder.block.0.x.weight'].map(umt5Name)).toEqual([
      'norm.weight',
      'encoder.conv1.weight',
      'encoder.block.0.x.weight',
    ]);
  });
});
