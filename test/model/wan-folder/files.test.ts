/** Files as people have them: names of ComfyUI and diffusers' variants, what stands before the weights' names, LoRA. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { type HostTensor, hostTensor, readSafetensors, toFloat32, writeSafetensors } from '../../../src/io/index.ts';
import { inspectWeights, openCheckpoint, vae, wan } from '../../../src/model/internal.ts';
import { umt5 } from '../../../src/model/text/umt5.ts';
import { wanConfig } from '../../../src/model/wan/config.ts';
import { describeWan, openWan } from '../../../src/model/wan-folder/open-wan.ts';
import { writeRandomWan } from '../../../src/model/wan-folder/random-wan.ts';
import { openWanTransformer } from '../../../src/model/wan-folder/transformer.ts';
import { random } from '../../../src/nn/index.ts';
import { checkFinite } from '../../../src/nn/internal.ts';
import { testFolder } from '../../folder.ts';

const folder = await testFolder('files');
const names = {
  dit: 'diffusion_pytorch_model.safetensors',
  vae: 'Wan2.1_VAE.safetensors',
  text: 'models_t5_umt5-xxl-enc-bf16.safetensors',
  tokenizer: 'google/umt5-xxl/tokenizer.json',
};
type Tensors = Map<string, HostTensor>;
let scratch = '';
let dit: Tensors;
let notes: string[] = [];
const onNote = (note: string) => void notes.push(note);

beforeAll(async () => {
  await use('cpu');
  await writeRandomWan(folder, random.key(4));
  dit = await readSafetensors(join(folder, names.dit));
});
beforeEach(async () => {
  scratch = await mkdtemp(join(folder, 'scratch-'));
  notes = [];
});

/** The model's files under other names. */
async function laidOut(places: Partial<typeof names> & { config?: string | null }): Promise<string> {
  const { config = 'config.json', ...rest } = places;
  for (const [part, from] of Object.entries(names)) {
    const to = join(scratch, rest[part as keyof typeof names] ?? from);
    await mkdir(join(to, '..'), { recursive: true });
    await copyFile(join(folder, from), to);
  }
  if (config !== null) await copyFile(join(folder, 'config.json'), join(scratch, config));
  return scratch;
}

async function safetensors(entries: Iterable<readonly [string, HostTensor]>, metadata = {}): Promise<string> {
  const path = join(scratch, 'one.safetensors');
  await writeSafetensors(path, entries, metadata);
  return path;
}

const renamed = (rename: (name: string) => string, tensors: Tensors = dit) =>
  [...tensors].map(([name, tensor]) => [rename(name), tensor] as const);

describe('names of files', () => {
  test.each([
    [
      'ComfyUI',
      {
        dit: 'diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors',
        vae: 'vae/wan_2.1_vae.safetensors',
        text: 'text_encoders/umt5_xxl_fp16.safetensors',
        tokenizer: 'tokenizer.json',
      },
    ],
    [
      'ComfyUI, repackaged',
      {
        dit: 'split_files/diffusion_models/Wan2_1-T2V-1_3B_bf16.safetensors',
        vae: 'split_files/vae/Wan2_1_VAE_bf16.safetensors',
        text: 'split_files/text_encoders/umt5-xxl-enc-bf16.safetensors',
      },
    ],
    [
      "diffusers' variants",
      {
        dit: 'transformer/diffusion_pytorch_model.bf16.safetensors',
        vae: 'vae/diffusion_pytorch_model.fp16.safetensors',
        text: 'text_encoder/model.bf16.safetensors',
        tokenizer: 'tokenizer/tokenizer.json',
      },
    ],
  ])('%s', async (_, places) => {
    const found = await describeWan(await laidOut(places));
    expect(found.preset).toBe('tiny');
    expect(found.files).toMatchObject({
      dit: join(scratch, places.dit),
      vae: join(scratch, places.vae),
      text: join(scratch, places.text),
    });
  });

  test('an index of a variant', async () => {
    const place = 'transformer/diffusion_pytorch_model.bf16-00001-of-00001.safetensors';
    await laidOut({ dit: place });
    const map = Object.fromEntries([...dit.keys()].map((name) => [name, place.slice('transformer/'.length)]));
    const index = join(scratch, 'transformer/diffusion_pytorch_model.safetensors.index.bf16.json');
    await writeFile(index, JSON.stringify({ metadata: {}, weight_map: map }));
    expect((await describeWan(scratch)).files.dit).toBe(index);
  });

  test('several transformers are named, and one can be chosen', async () => {
    await laidOut({ dit: 'diffusion_models/wan2.1_t2v_1.3B.safetensors' });
    const second = join(scratch, 'diffusion_models/wan2.1_t2v_14B.safetensors');
    await copyFile(join(folder, names.dit), second);
    await expect(describeWan(scratch)).rejects.toThrow(/several transformers: .*1\.3B.*14B.*transformer/);
    expect((await describeWan(scratch, { transformer: second })).files.dit).toBe(second);
  });

  test('of two text encoders the one in full precision is taken', async () => {
    await laidOut({ text: 'text_encoders/umt5_xxl_fp16.safetensors' });
    await copyFile(join(folder, names.text), join(scratch, 'text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors'));
    expect((await describeWan(scratch)).files.text).toMatch(/fp16/);
  });
});

describe('what stands before names', () => {
  test.each([
    'model.diffusion_model.',
    'diffusion_model.',
    'module.',
    'model.',
    'generator.',
    'generator_ema.',
    'generator.model.',
    'module.model._orig_mod.',
    'transformer.',
  ])('%s', async (prefix) => {
    const path = await safetensors(renamed((name) => prefix + name));
    const { net, preset } = await openWanTransformer(path);
    expect(preset).toBe('tiny');
    expect(await (net.weights as typeof net.weights).get('head.modulation').data()).toEqual(
      toFloat32(dit.get('head.modulation')!),
    );
    net.dispose();
    const { fit } = await inspectWeights(path);
    expect(fit).toMatchObject({ architecture: 'Wan transformer', preset: 'tiny', fits: true });
  });

  test('of flat generators beside each other the averaged one is taken, any on request', async () => {
    const ones = new Map(
      [...dit].map(([name, { shape }]) => [
        name,
        hostTensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1)),
      ]),
    );
    const critic = renamed((name) => `critic.${name}`);
    const path = await safetensors([
      ...renamed((name) => `generator.${name}`),
      ...renamed((name) => `generator_ema.${name}`, ones),
      ...critic,
    ]);
    const file = await openCheckpoint(path);
    expect(file.part).toBe('generator_ema');
    expect(file.names()).toHaveLength(dit.size);
    expect(toFloat32(await file.read('head.head.bias'))[0]).toBe(1);
    const other = await openCheckpoint(path, { part: 'generator' });
    expect(await other.read('head.modulation')).toEqual(dit.get('head.modulation'));
    await expect(openCheckpoint(path, { part: 'teacher' })).rejects.toThrow(/"teacher".*critic/);
  });

  test('a file of several networks gives each its own', async () => {
    const autoencoder = await readSafetensors(join(folder, names.vae));
    const text = await readSafetensors(join(folder, names.text));
    const path = await safetensors([
      ...renamed((name) => `model.diffusion_model.${name}`),
      ...renamed((name) => `first_stage_model.${name}`, autoencoder),
      ...renamed((name) => `text_encoders.umt5xxl.transformer.${name}`, text),
    ]);
    const file = await openCheckpoint(path);
    const nets = [
      await wan.load(wan.presets.tiny, file.entries()),
      await vae.load(vae.presets.tiny, file.entries()),
      await umt5.load(
        { vocab: 260, dim: 24, dim_attn: 24, dim_ffn: 48, num_heads: 2, num_layers: 2, num_buckets: 32 },
        file.entries(),
      ),
    ];
    expect(nets.map((net) => net.weights.names().length)).toEqual([dit.size, autoencoder.size, text.size]);
    for (const net of nets) net.dispose();
  });

  test('a VAE with model. opens', async () => {
    const autoencoder = await readSafetensors(join(folder, names.vae));
    await laidOut({});
    await writeSafetensors(
      join(scratch, names.vae),
      renamed((name) => `model.${name}`, autoencoder),
    );
    const model = await openWan(scratch, { promptCache: null });
    expect(model.decoder.config).toBe(vae.presets.tiny);
    model.dispose();
  });

  test('two names for one weight are refused by both', async () => {
    const path = await safetensors([...dit, ['model.head.modulation', dit.get('head.modulation')!] as const]);
    await expect(openWanTransformer(path)).rejects.toThrow(/model\.head\.modulation.*head\.modulation/);
    await expect(wan.load(wan.presets.tiny, (await openCheckpoint(path)).entries())).rejects.toThrow(/given twice/);
    expect((await inspectWeights(path)).fit).toMatchObject({ fits: false });
  });
});

test('pos_embed_seq_len: null, as diffusers writes it, and no image-to-video model', () => {
  const fields = {
    num_attention_heads: 2,
    attention_head_dim: 32,
    ffn_dim: 128,
    num_layers: 2,
    in_channels: 4,
    out_channels: 4,
  };
  expect(wanConfig({ ...fields, pos_embed_seq_len: null })).toEqual(wanConfig(fields));
  expect(() => wanConfig({ ...fields, pos_embed_seq_len: 514 })).toThrow(/image-to-video/);
});

describe('LoRA', () => {
  const shape = (...extents: number[]) =>
    hostTensor('float32', extents, new Float32Array(extents.reduce((a, b) => a * b, 1)));
  test.each([
    [
      'ComfyUI',
      (module: string) => [
        [`diffusion_model.${module}.lora_down.weight`, shape(4, 64)],
        [`diffusion_model.${module}.lora_up.weight`, shape(64, 4)],
        [`diffusion_model.${module}.alpha`, shape()],
      ],
    ],
    [
      'PEFT',
      (module: string) => [
        [`base_model.model.${module}.lora_A.default.weight`, shape(4, 64)],
        [`base_model.model.${module}.lora_B.default.weight`, shape(64, 4)],
      ],
    ],
    [
      'kohya',
      (module: string) => [
        [`lora_unet_${module.replaceAll('.', '_')}.lora_down.weight`, shape(4, 64)],
        [`lora_unet_${module.replaceAll('.', '_')}.lora_up.weight`, shape(64, 4)],
      ],
    ],
  ] as const)('%s is named as what it is, with rank and targets', async (_, factors) => {
    const modules = ['blocks.0.self_attn.q', 'blocks.1.self_attn.q'];
    const path = await safetensors(modules.flatMap((module) => factors(module)) as [string, HostTensor][]);
    await expect(openWanTransformer(path)).rejects.toThrow(/LoRA of rank 4 on 2 modules .*self_attn.q/);
    await expect(wan.load(wan.presets.tiny, (await openCheckpoint(path)).entries())).rejects.toThrow(/LoRA of rank 4/);
    const found = await inspectWeights(path);
    expect(found).toMatchObject({ fit: null, lora: { ranks: [4, 4] } });
    expect(String(found)).toMatch(/a LoRA of rank 4 on 2 modules/);
  });
});

describe('values that are no numbers', () => {
  test.each([
    ['float32', new Float32Array([1, Number.NaN, 2])],
    ['float32', new Float32Array([1, Number.NEGATIVE_INFINITY, 2])],
    ['float64', new Float64Array([1, 2, Number.NaN])],
    ['bfloat16', new Uint16Array([0x3f80, 0x3f80, 0x7fc0])],
    ['float16', new Uint16Array([0x3c00, 0xfc00, 0x3c00])],
    ['float8_e4m3', new Uint8Array([1, 2, 0xff])],
    ['float8_e5m2', new Uint8Array([1, 0x7c, 2])],
  ] as const)('%s are refused by name wherever the blocks are', async (dtype, three) => {
    const name = 'blocks.1.ffn.2.bias';
    const size = 64;
    const data = new (three.constructor as new (length: number) => typeof three)(size);
    data.set(three as never, size - 3);
    const path = await safetensors(new Map(dit).set(name, hostTensor(dtype, [size], data)));
    await expect(openWanTransformer(path)).rejects.toThrow(/blocks\.1\.ffn\.2\.bias.*NaN or infinite/);
    await expect(openWanTransformer(path, { blocks: 'host' })).rejects.toThrow(/blocks\.1\.ffn\.2\.bias/);
    await expect(openWanTransformer(path, { blocks: 'host-bfloat16' })).rejects.toThrow(/blocks\.1\.ffn\.2\.bias/);
    const { net } = await openWanTransformer(path, { blocks: 'file' });
    const x = tf.zeros([1, 1, 2, 2, 4]);
    const context = tf.zeros([1, 2, 24]);
    const before = tf.memory().numTensors;
    expect(() => wan.forward(net, { x, t: 1, context })).toThrow(/blocks\.1\.ffn\.2\.bias/);
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
    tf.dispose([x, context]);
  });

  test('the largest and smallest numbers of every type are taken', () => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const finite = [
      hostTensor(
        'float8_e4m3',
        [254],
        codes.filter((code) => (code & 0x7f) !== 0x7f),
      ),
      hostTensor(
        'float8_e5m2',
        [248],
        codes.filter((code) => (code & 0x7c) !== 0x7c),
      ),
      hostTensor('bfloat16', [4], new Uint16Array([0x7f7f, 0xff7f, 1, 0x8000])),
      hostTensor('float16', [3], new Uint16Array([0x7bff, 0xfbff, 1])),
      hostTensor('float32', [3], new Float32Array([3.4028234e38, -3.4028234e38, 1e-45])),
      hostTensor('float64', [2], new Float64Array([Number.MAX_VALUE, -Number.MIN_VALUE])),
      hostTensor('int32', [1], new Int32Array([-1])),
    ];
    for (const tensor of finite) expect(() => checkFinite(tensor.dtype, tensor)).not.toThrow();
  });
});

test('an empty average beside full weights is passed over, and said', async () => {
  const { archive, dictionary, op, tensor } = await import('../../io/pth-writer.ts');
  const weight = Buffer.concat([
    op.dict,
    op.mark,
    op.text('model.head.modulation'),
    tensor('0', 4, { shape: [1, 4], stride: [4, 1] }),
    op.setItems,
  ]);
  const path = join(scratch, 'student.pt');
  const pickle = dictionary({ generator: weight, generator_ema: op.dict });
  await writeFile(path, archive({ 'a/data.pkl': pickle, 'a/data/0': new Uint8Array(16) }));
  const file = await openCheckpoint(path, { onNote });
  expect(file.part).toBe('generator');
  expect(file.names()).toEqual(['model.head.modulation']);
  expect(notes).toEqual(['generator_ema holds nothing; generator is taken']);
  expect(String(await inspectWeights(path))).toContain('generator_ema holds nothing');
});

test('rows of an encoder that was changed are made anew', async () => {
  await laidOut({});
  const cache = join(scratch, 'cache');
  const rowsOf = async (): Promise<Float32Array> => {
    const model = await openWan(scratch, { promptCache: cache });
    const rows = await model.text.encode(['A cat runs.']);
    const values = (await rows.data()) as Float32Array;
    rows.dispose();
    model.dispose();
    return values;
  };
  const first = await rowsOf();
  const kept = await readdir(cache);
  expect(await rowsOf()).toEqual(first);
  expect(await readdir(cache)).toEqual(kept);
  const place = join(scratch, names.text);
  const tensors = await readSafetensors(place);
  const matrix = tensors.get('blocks.0.attn.q.weight')!;
  const changed = Float32Array.from(toFloat32(matrix), (value, i) => (i === 5 ? value + 0.5 : value));
  await rm(place);
  await writeSafetensors(place, [
    ...tensors.set('blocks.0.attn.q.weight', hostTensor('float32', matrix.shape, changed)),
  ]);
  expect(await rowsOf()).not.toEqual(first);
  expect((await readFile(join(cache, 'encoders.json'), 'utf8')).length).toBeGreaterThan(0);
});
