import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { hostTensor, PthError, SafetensorsError, writeSafetensors } from '../../src/io/index.ts';
import { architectures } from '../../src/model/inspect.ts';
import {
  amt,
  clip,
  dino,
  imageReward,
  inspectWeights,
  openCheckpoint,
  qwen2vl,
  raft,
  umt5Shapes,
  vae,
  wan,
  wanPresets,
  wanShapes,
} from '../../src/model/internal.ts';
import { umt5Presets } from '../../src/model/text/umt5.ts';
import { diffusersName } from '../../src/model/wan/weights.ts';
import type { Architecture, Shapes } from '../../src/nn/index.ts';
import { digits, preferenceJudges } from '../../src/world/index.ts';
import { testFolder } from '../folder.ts';
import { archive, dictionary, op, tensor } from '../io/pth-writer.ts';
import { writeSparse } from './sparse-file.ts';

const { tiny } = wanPresets;
const all = await testFolder('inspect');
let folder = '';
beforeAll(async () => {
  await use('cpu');
});
beforeEach(async () => {
  folder = await mkdtemp(join(all, 'one-'));
});

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

async function safetensors(shapes: Shapes): Promise<string> {
  const path = join(folder, 'weights.safetensors');
  const zeros = [...shapes].map(([name, shape]) => {
    return [name, hostTensor('float32', [...shape], new Float32Array(sizeOf(shape)))] as const;
  });
  await writeSafetensors(path, zeros);
  return path;
}

/** A training checkpoint whose parts hold the tiny transformer, every weight full of the part's number. */
async function training(parts: Record<string, number>): Promise<string> {
  const records: Record<string, Uint8Array> = {};
  const part = ([, value]: [string, number]): Buffer => {
    const items = [...wanShapes(tiny)].flatMap(([name, shape]) => {
      const key = String(Object.keys(records).length);
      records[`a/data/${key}`] = new Uint8Array(new Float32Array(sizeOf(shape)).fill(value).buffer);
      const stride = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
      const wrapped = `model._fsdp_wrapped_module.${name}`;
      return [op.text(wrapped), tensor(key, sizeOf(shape), { shape: [...shape], stride })];
    });
    return Buffer.concat([op.dict, op.mark, ...items, op.setItems]);
  };
  const pickle = dictionary(Object.fromEntries(Object.entries(parts).map((entry) => [entry[0], part(entry)])));
  const path = join(folder, 'student.pt');
  await writeFile(path, archive({ 'a/data.pkl': pickle, ...records }));
  return path;
}

describe('inspectWeights', () => {
  test('a file under official names fits its preset', async () => {
    const found = await inspectWeights(await safetensors(wanShapes(tiny)));
    expect(found).toMatchObject({ format: 'safetensors', part: null, tensors: 69, dtypes: ['float32'] });
    expect(found.fit).toMatchObject({
      architecture: 'Wan transformer',
      preset: 'tiny',
      naming: 'official',
      fits: true,
    });
    expect(String(found)).toContain('fits preset tiny; official names');
  });

  test('diffusers names are translated', async () => {
    const renamed = new Map([...wanShapes(tiny)].map(([name, shape]) => [diffusersName(name), shape]));
    const { fit } = await inspectWeights(await safetensors(renamed));
    expect(fit).toMatchObject({ preset: 'tiny', naming: 'translated', fits: true, surplus: [] });
  });

  test('differences are listed by official names', async () => {
    const shapes = new Map<string, readonly number[]>(wanShapes(tiny));
    shapes.delete('head.modulation');
    shapes.set('extra', [2]).set('head.head.bias', [3]);
    const found = await inspectWeights(await safetensors(shapes));
    expect(found.fit).toMatchObject({ fits: false, missing: ['head.modulation'], surplus: ['extra'] });
    expect(found.fit?.misshapen).toEqual([{ name: 'head.head.bias', received: [3], wanted: [16] }]);
    expect(String(found)).toContain('head.head.bias [3], wanted [16]');
  });

  test('unknown names fit nothing', async () => {
    const found = await inspectWeights(await safetensors(new Map([['a', [1]]])));
    expect(found.fit).toBeNull();
    expect(String(found)).toContain('none that is known');
  });

  test('a training checkpoint shows its averaged generator', async () => {
    const found = await inspectWeights(await training({ generator: 1, generator_ema: 2 }));
    expect(found).toMatchObject({ format: 'pytorch', part: 'generator_ema' });
    expect(found.fit).toMatchObject({ preset: 'tiny', naming: 'translated', fits: true, surplus: [] });
  });

  test('broken, executing and foreign files are refused', async () => {
    const broken = join(folder, 'broken.safetensors');
    await writeFile(broken, Buffer.alloc(16, 255));
    await expect(inspectWeights(broken)).rejects.toThrow(SafetensorsError);
    const hostile = join(folder, 'hostile.pt');
    const call = Buffer.concat([op.global('os', 'system'), op.mark, op.text('true'), op.tuple, op.reduce]);
    await writeFile(hostile, archive({ 'a/data.pkl': dictionary({ generator: call }) }));
    await expect(inspectWeights(hostile)).rejects.toThrow(PthError);
    await expect(inspectWeights(join(folder, 'notes.txt'))).rejects.toThrow(/no known ending/);
  });
});

/** Names under PEFT with a low-rank change of each projection of the language model. */
function peft(shapes: Shapes): Shapes {
  const named = [...shapes].flatMap(([name, shape]): [string, readonly number[]][] => {
    const [, module] = /^(model\.layers\..*_proj)\.weight$/.exec(name) ?? [];
    if (module === undefined) return [[`base_model.model.${name}`, shape]];
    const path = `base_model.model.${module}`;
    return [
      [`${path}.base_layer.weight`, shape],
      [`${path}.lora_A.default.weight`, [4, shape[1]!]],
      [`${path}.lora_B.default.weight`, [shape[0]!, 4]],
    ];
  });
  return new Map(named);
}

test.each<[string, string, number, Shapes]>([
  ['Wan transformer', 'wan2.1-t2v-1.3b', 1_418_996_800, wanShapes(wanPresets['wan2.1-t2v-1.3b'])],
  ['Wan transformer', 'wan2.1-t2v-14b', 14_288_491_584, wanShapes(wanPresets['wan2.1-t2v-14b'])],
  ['Wan VAE', 'wan2.1', 126_892_531, vae.shapes(vae.presets['wan2.1'])],
  ['umT5 encoder', 'umt5-xxl', 5_680_910_336, umt5Shapes(umt5Presets['umt5-xxl'])],
  ['CLIP', 'vit-b-32', 151_277_313, clip.shapes(clip.presets['vit-b-32'])],
  ['CLIP', 'vit-l-14', 427_616_513, clip.shapes(clip.presets['vit-l-14'])],
  ['DINO', 'dino_vitb16', 85_798_656, dino.shapes(dino.presets.dino_vitb16)],
  ['RAFT', 'raft_large', 0, raft.shapes(raft.presets.raft_large)],
  ['RAFT', 'raft_small', 0, raft.shapes(raft.presets.raft_small)],
  ['ImageReward', 'imagereward-v1.0', 0, imageReward.shapes(imageReward.presets['imagereward-v1.0'])],
  ['Qwen2-VL', 'videoalign', 0, qwen2vl.shapes({ ...qwen2vl.presets.videoalign, outputs: 3 })],
  ['Qwen2-VL', 'videoalign', 0, peft(qwen2vl.shapes({ ...qwen2vl.presets.videoalign, outputs: 3 }))],
])('the full list of %s %s is recognised', async (architecture, preset, parameters, shapes) => {
  const found = await inspectWeights(await writeSparse(join(folder, 'full.safetensors'), shapes));
  if (parameters > 0) expect(found.parameters).toBe(parameters);
  expect(found.fit).toMatchObject({ architecture, preset, fits: true, missing: [], surplus: [], misshapen: [] });
});

const [judge] = preferenceJudges(digits.digitTask({ id: 'digits', options: {} }));
/** The architectures of the shipped world's judges. */
const worlds: Architecture<unknown>[] = [digits.classifier, judge.architecture];

const smallPresets: [string, Architecture<unknown>, unknown][] = [
  ['Wan transformer', wan, wan.presets.tiny],
  ['Wan VAE', vae, vae.presets.tiny],
  ['RAFT', raft, raft.presets.raft_small],
  ['AMT', amt, amt.presets.amt_s],
  ['digit classifier', digits.classifier, digits.CLASSIFIER],
  ['preference reward', judge.architecture, judge.config],
];

const records: readonly Architecture<unknown>[] = [...architectures, ...worlds];
const known = records.flatMap((architecture) =>
  Object.keys(architecture.presets).map((preset) => [architecture.name, preset, architecture] as const),
);

test.each(known)('%s: %s fits its own shapes and nothing else before it', async (name, preset, architecture) => {
  const config = architecture.presets[preset]!;
  const path = await writeSparse(join(folder, 'own.safetensors'), architecture.shapes(config));
  const { fit } = await inspectWeights(path, { also: worlds });
  expect(fit).toMatchObject({ architecture: name, fits: true });
  expect(architecture.shapes(architecture.presets[fit!.preset]!)).toEqual(architecture.shapes(config));
});

test.each(smallPresets)('%s: doctor and loader give one verdict', async (_, architecture, config) => {
  const shapes = architecture.shapes(config);
  const [first = '', second = ''] = shapes.keys();
  const changes: ((own: Map<string, readonly number[]>) => unknown)[] = [
    (own) => own,
    (own) => own.delete(first),
    (own) => own.set('extra.weight', [2]),
    (own) => own.set(first, [...own.get(first)!, 1]),
    (own) => own.delete(first) && own.set(`module.${first}`, shapes.get(first)!),
    (own) => own.set(`module.${second}`, shapes.get(second)!),
  ];
  for (const change of changes) {
    const own = new Map(shapes);
    change(own);
    const path = await safetensors(own);
    const { fit } = await inspectWeights(path, { also: worlds });
    const loads = await architecture.load(config, (await openCheckpoint(path)).entries()).then(
      (net) => {
        net.dispose();
        return true;
      },
      () => false,
    );
    expect(fit?.fits ?? false, String(change)).toBe(loads);
  }
});

test.each([
  ['wan2.1-t2v-1.3b', 825],
  ['wan2.1-t2v-14b', 1095],
] as const)('%s has %i tensors', (preset, count) => {
  expect(wanShapes(wanPresets[preset]).size).toBe(count);
});

describe('openCheckpoint', () => {
  test.each([
    [undefined, 2],
    ['generator', 1],
  ])('loads the student under %s', async (part, value) => {
    const path = await training({ generator: 1, generator_ema: 2 });
    const file = await openCheckpoint(path, part === undefined ? {} : { part });
    const { weights } = await wan.load(tiny, file.entries());
    expect((await weights.get('head.head.bias').data())[0]).toBe(value);
    weights.dispose();
  });

  test('a part that is not there is named', async () => {
    const path = await training({ generator: 1 });
    await expect(openCheckpoint(path, { part: 'critic' })).rejects.toThrow(/critic/);
    await expect(openCheckpoint(await safetensors(new Map([['a', [1]]])), { part: 'x' })).rejects.toThrow(/part/);
  });
});
