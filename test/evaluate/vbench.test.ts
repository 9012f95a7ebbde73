/** VBench's dimensions on small networks: preprocessing, formulas and files; the networks have tests of their own. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor2D, tf } from '../../src/engine/tf.ts';
import {
  dimensionTable,
  exportForVBench,
  importVBenchResults,
  officialMeasures,
  runVBench,
  vbenchTotals,
} from '../../src/evaluate/index.ts';
import { DIMENSIONS, findOfficialFiles } from '../../src/evaluate/vbench/dimensions.ts';
import {
  appearanceStyle,
  backgroundConsistency,
  imagingQuality,
  subjectConsistency,
  videoTextConsistency,
} from '../../src/evaluate/vbench/looks.ts';
import { isStill, motionSmoothness, raftDynamicDegree } from '../../src/evaluate/vbench/motion.ts';
import { vbenchFileName } from '../../src/evaluate/vbench/program.ts';
import { dynamicDegree, topMagnitude } from '../../src/evaluate/vbench/rules.ts';
import { measured, middleFrames } from '../../src/evaluate/vbench/watch.ts';
import { type Clip, clipFrame, createClip, writeSafetensors } from '../../src/io/index.ts';
import { amtShapes } from '../../src/model/amt/weights.ts';
import { clipShapes } from '../../src/model/clip/weights.ts';
import { dinoShapes } from '../../src/model/dino/dino.ts';
import {
  amtMidpoint,
  amtPresets,
  type ClipTokenizer,
  clipImageFeatures,
  clipTextFeatures,
  dinoFeatures,
  imageTransforms,
  musiqPresets,
  musiqScore,
  preprocess,
  raftForward,
  viclipPresets,
} from '../../src/model/internal.ts';
import { musiqShapes } from '../../src/model/musiq/musiq.ts';
import { raftShapes } from '../../src/model/raft/weights.ts';
import { viclipShapes } from '../../src/model/viclip/viclip.ts';
import { testFolder } from '../folder.ts';
import { hashedWeights } from '../model/hashed-weights.ts';
import { tinyRaft } from '../model/raft/tiny.ts';
import { movingSquare } from './clips.ts';
import { tinyClip, tinyConfigs, tinyDino } from './tiny-networks.ts';

const folder = await testFolder('vbench');
beforeAll(() => use('onnx'));

const tokenizer: ClipTokenizer = {
  encode: () => [1, 2, 19],
  batch: (texts, length) =>
    tf.tensor2d(
      texts.flatMap(() => Array.from({ length }, (_, i) => [1, 2, 19][i] ?? 0)),
      [texts.length, length],
      'int32',
    ),
};

const cosine = (a: number[], b: number[]): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0) / Math.hypot(...a) / Math.hypot(...b);

function resized(clip: Clip, height: number, width: number): Clip {
  const data = new Float32Array(clip.frames * height * width * 3);
  for (let i = 0; i < data.length; i++) {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width) % height];
    const frame = Math.floor(i / 3 / width / height);
    data[i] = clip.data[3 * ((frame * clip.height + (y % clip.height)) * clip.width + (x % clip.width)) + c]!;
  }
  return createClip(data, { frames: clip.frames, height, width, fps: clip.fps });
}

test('middle frames are those of the reference', () => {
  expect(middleFrames(81, 16)).toEqual([2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57, 62, 67, 72, 77]);
  expect(middleFrames(81, 8)).toEqual([4, 14, 24, 34, 44, 54, 64, 75]);
  expect(middleFrames(16, 8)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
  expect(middleFrames(3, 5)).toEqual([0, 1, 2, 2, 2]);
});

describe('consistency', () => {
  test('frames that are alike score 1 and count as pairs', async () => {
    const still = movingSquare(4, 40, 0);
    const weights = hashedWeights(dinoShapes(tinyDino));
    const { score, weight } = await measured(still, subjectConsistency({ weights, config: tinyDino }));
    expect(score).toBeCloseTo(1, 5);
    expect(weight).toBe(3);
  });

  const clip = resized(movingSquare(3, 40, 5), 40, 51);
  const frames = () =>
    tf.tensor4d(
      Float32Array.from(clip.data, (value) => Math.round(255 * value) / 255),
      [3, 40, 51, 3],
    );
  /** Mean over the second and third frame of the cosines to the frame before and to the first. */
  const formula = ([a, b, c]: readonly number[][]): number =>
    (cosine(a!, b!) + (cosine(b!, c!) + cosine(a!, c!)) / 2) / 2;

  test('of the subject follows the formula on features of DINO of unrounded frames', async () => {
    const weights = hashedWeights(dinoShapes(tinyDino));
    const transform = { ...imageTransforms.vbenchDino, size: 32, rounding: 'none' as const };
    const features = dinoFeatures({ weights, config: tinyDino }, preprocess(frames(), transform));
    const { score } = await measured(clip, subjectConsistency({ weights, config: tinyDino }));
    expect(score).toBeCloseTo(formula((await features.array()) as number[][]), 4);
  });

  test('of the background follows the formula on features of CLIP of unrounded frames', async () => {
    const weights = hashedWeights(clipShapes(tinyClip));
    const transform = { ...imageTransforms.vbenchClip, size: 32, rounding: 'none' as const };
    const features = clipImageFeatures({ weights, config: tinyClip }, preprocess(frames(), transform));
    const { score, weight } = await measured(clip, backgroundConsistency({ weights, config: tinyClip }));
    expect(score).toBeCloseTo(formula((await features.array()) as number[][]), 4);
    expect(weight).toBe(2);
  });
});

test('imaging quality is the mean of MUSIQ over 100, of frames whose longer side is at most 512', async () => {
  const small = { hidden_size: 12, mlp_dim: 16, num_heads: 2, num_layers: 1, longer_side_lengths: [32, 64] };
  const config = { ...musiqPresets.spaq, ...small };
  const weights = hashedWeights(musiqShapes(config));
  const clip = movingSquare(2, 48, 3);
  const plain = async ({ data, height, width }: Clip): Promise<number> => {
    const bytes = data.map((value) => Math.round(255 * value) / 255);
    const scores = musiqScore({ weights, config }, tf.tensor4d(bytes, [2, height, width, 3]));
    const [a = 0, b = 0] = await scores.data();
    return (a + b) / 200;
  };
  expect((await measured(clip, imagingQuality({ weights, config }))).score).toBeCloseTo(await plain(clip), 6);
  const wide = resized(clip, 16, 530);
  const capped = await measured(wide, imagingQuality({ weights, config }));
  expect(Math.abs(capped.score - (await plain(wide)))).toBeGreaterThan(1e-7);
});

test('motion smoothness compares odd frames with what AMT makes of their neighbours', async () => {
  const config = amtPresets.amt_s;
  const weights = hashedWeights(amtShapes(config), 0.5);
  const clip = resized(movingSquare(4, 64, 2), 130, 128); // the last odd frame has no neighbour
  const frame = (index: number) =>
    tf.tensor4d(
      clipFrame(clip, index).map((value) => Math.round(255 * value) / 255),
      [1, 130, 128, 3],
    );
  const rows = Int32Array.from({ length: 144 }, (_, i) => Math.min(Math.max(i - 7, 0), 129));
  const padded = (index: number) => tf.gather(frame(index), tf.tensor1d(rows, 'int32'), 1);
  const made = await tf
    .slice(amtMidpoint({ weights, config }, padded(0), padded(2)), [0, 7, 0, 0], [1, 130, 128, 3])
    .data<'float32'>();
  const shown = await frame(1).data<'float32'>();
  const difference = made.reduce(
    (sum, value, i) => sum + Math.abs(Math.floor(255 * value) - Math.round(255 * shown[i]!)),
    0,
  );
  const { score } = await measured(clip, motionSmoothness({ weights, config }));
  expect(score).toBeCloseTo((255 - difference / made.length) / 255, 4);
});

test('dynamic degree takes the padded flow of colour frames', async () => {
  const weights = hashedWeights(raftShapes(tinyRaft), 0.5);
  const clip = resized(movingSquare(4, 40, 3, 16), 36, 44); // 16 frames a second: every second frame
  const got = await measured(clip, raftDynamicDegree({ weights, config: tinyRaft }));
  expect(got.scores).toHaveLength(1);
  const pad = (index: number) => {
    const image = tf.tensor4d(clipFrame(clip, index), [1, 36, 44, 3]);
    const at = (count: number, before: number, length: number) =>
      tf.tensor1d(
        Int32Array.from({ length: count }, (_, i) => Math.min(Math.max(i - before, 0), length - 1)),
        'int32',
      );
    return tf.sub(
      tf.mul(tf.div(tf.round(tf.mul(tf.gather(tf.gather(image, at(40, 2, 36), 1), at(48, 2, 44), 2), 255)), 255), 2),
      1,
    );
  };
  const flow = await raftForward({ weights, config: tinyRaft }, pad(0), pad(2), { iterations: 20 }).data();
  const part = (offset: number) => Float32Array.from({ length: 40 * 48 }, (_, i) => flow[2 * i + offset]!);
  expect(got.scores[0]).toBeCloseTo(topMagnitude(part(0), part(1)), 2);
  expect(got).toMatchObject({ threshold: (6 * 36) / 256, needed: dynamicDegree(got.scores, 36, 44).needed });
});

test('the static filter counts pairs above its threshold and looks at the long pairs', () => {
  const quiet = new Array<number>(15).fill(1);
  expect(isStill(quiet, [1, 1], 256, 256)).toBe(true);
  expect(isStill([4, 4, ...quiet.slice(2)], [1, 1], 256, 256)).toBe(true); // two of sixteen are allowed
  expect(isStill([4, 4, 4, ...quiet.slice(3)], [1, 1], 256, 256)).toBe(false);
  expect(isStill(quiet, [12, 12], 256, 256)).toBe(true); // 3 * 2 * 2
  expect(isStill(quiet, [12.1, 1], 256, 256)).toBe(false);
});

describe('text', () => {
  test('appearance style is the mean cosine times the scale over 100', async () => {
    const weights = hashedWeights(clipShapes(tinyClip));
    const clip = movingSquare(2, 40, 4);
    const got = await measured(clip, appearanceStyle('ukiyo-e', { weights, config: tinyClip }, tokenizer));
    const transform = { ...imageTransforms.clipFile, size: 32 };
    const images = clipImageFeatures(
      { weights, config: tinyClip },
      preprocess(tf.tensor4d(clip.data, [2, 40, 40, 3]), transform),
    );
    const text = clipTextFeatures({ weights, config: tinyClip }, tokenizer.batch(['ukiyo-e'], 6));
    const unit = (x: typeof images) => tf.div(x, tf.norm(x, 2, 1, true)) as Tensor2D;
    const cosines = await tf.matMul(unit(images), unit(text), false, true).data();
    const scale = Math.exp((await weights.get('logit_scale').data())[0]!);
    expect(got.score).toBeCloseTo((scale * (cosines[0]! + cosines[1]!)) / 200, 5);
    expect(got.weight).toBe(2);
  });

  test('video and text meet in ViCLIP', async () => {
    const small = { embed_dim: 8, inputs_image_res: 28, vision_width: 16, vision_layers: 1, vision_heads: 2 };
    const words = { max_txt_l: 6, vocab_size: 20, text_width: 8, text_layers: 1, text_heads: 2 };
    const config = { ...viclipPresets.l14, ...small, ...words };
    const weights = hashedWeights(viclipShapes(config));
    const before = tf.memory().numTensors;
    const measure = videoTextConsistency('a square', { weights, config }, tokenizer);
    const { score } = await measured(movingSquare(9, 40, 2), measure);
    expect(Math.abs(score)).toBeLessThanOrEqual(1);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('files of weights', () => {
  test('the table says what is missing and what VBench computes alone', () => {
    const rows = dimensionTable();
    expect(rows).toHaveLength(16);
    expect(rows.filter(({ status }) => status === 'through VBench').map(({ dimension }) => dimension)).toEqual([
      'object_class',
      'multiple_objects',
      'human_action',
      'color',
      'spatial_relationship',
      'scene',
    ]);
    expect(rows.find(({ dimension }) => dimension === 'imaging_quality')).toMatchObject({
      status: 'needs weights',
      missing: ['musiq_spaq_ckpt-358bb6af.pth'],
    });
  });

  test('dimensions open from a folder, name their files, and are not official in other sizes', async () => {
    const path = join(folder, 'dino_vitbase16_pretrain.safetensors');
    await writeSafetensors(path, await hashedWeights(dinoShapes(tinyDino)).toHost());
    expect([...(await findOfficialFiles(folder)).keys()]).toEqual(['dino']);
    const [group, ...others] = await officialMeasures(folder, { configs: tinyConfigs });
    expect(others).toEqual([]);
    expect(group!.columns).toMatchObject([{ name: 'subject_consistency', officialEquivalent: false }]);
    expect(group!.columns[0]!.weights!['dino_vitbase16_pretrain.safetensors']).toMatch(/^[0-9a-f]{64}$/);
    const { start, dispose } = await group!.open();
    const { values } = await measured(movingSquare(3, 40, 0), (video) => start({ ...video, prompt: 'x' }));
    expect(values['subject_consistency']?.score).toBeCloseTo(1, 5);
    dispose();
    await expect(officialMeasures(folder, { dimensions: ['motion_smoothness'] })).rejects.toThrow(/needs amt-s.pth/);
    await expect(officialMeasures(folder, { dimensions: ['scene'] })).rejects.toThrow(/by VBench alone/);
    await expect(officialMeasures(folder)).rejects.toThrow(/dino_vitbase16_pretrain.safetensors: .*misshapen/);
  });
});

describe("VBench's own command line", () => {
  test('videos are named word for word, with a manifest beside the folder', async () => {
    const video = join(folder, 'source.webp');
    await writeFile(video, 'a video');
    const target = join(folder, 'videos');
    const names = await exportForVBench([{ prompt: 'A cat, running. ', index: 2, video, seed: 7 }], target);
    expect(names).toEqual(['A cat, running. -2.webp']);
    expect(await readFile(join(target, names[0]!), 'utf8')).toBe('a video');
    expect(JSON.parse(await readFile(`${target}.json`, 'utf8'))).toEqual({
      'A cat, running. -2.webp': { prompt: 'A cat, running. ', index: 2, seed: 7 },
    });
    const twice = [0, 0].map((index) => ({ prompt: 'a', index, video }));
    await expect(exportForVBench(twice, target)).rejects.toThrow(/two videos are called "a-0.webp"/);
    expect(() => vbenchFileName('either/or', 0)).toThrow(/no "\/"/);
    expect(() => vbenchFileName('x'.repeat(251), 0)).toThrow(/257 bytes/);
  });

  test('results are read from files and folders, later ones first', async () => {
    const results = join(folder, 'results');
    await exportForVBench([], results);
    const write = (name: string, value: unknown) => writeFile(join(results, name), JSON.stringify(value));
    await write('results_2026-01-01-00:00:00_eval_results.json', { scene: [0.5, []], color: [0.4, []] });
    await write('results_2026-01-02-00:00:00_eval_results.json', {
      scene: [0.6, [{ video_path: 'a-0.mp4', video_results: 1 }]],
    });
    const { scores, totals, videos } = await importVBenchResults(results);
    expect(scores).toEqual({ scene: 0.6, color: 0.4 });
    expect(totals.total).toBeNull();
    expect(videos.scene).toEqual([{ video_path: 'a-0.mp4', video_results: 1 }]);
    await write('results_2026-01-03-00:00:00_eval_results.json', { beauty: [1, []] });
    await expect(importVBenchResults(results)).rejects.toThrow(/"beauty" is no dimension/);
  });

  test('the program is run with one string of names, and its results are read', async () => {
    const program = join(folder, 'fake-vbench.mjs');
    await writeFile(
      program,
      `import { writeFileSync } from 'node:fs';
       const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
       const scores = Object.fromEntries(flag('--dimension').split(' ').map((name) => [name, [0.25, []]]));
       writeFileSync(flag('--output_path') + '/results_x_eval_results.json', JSON.stringify(scores));`,
    );
    const run = { videos: folder, output: join(folder, 'out'), dimensions: ['scene', 'color'] as const };
    const { scores } = await runVBench({ ...run, command: [process.execPath, program] });
    expect(scores).toEqual({ scene: 0.25, color: 0.25 });
    await expect(runVBench({ ...run, command: ['no-such-vbench'] })).rejects.toThrow(
      /not installed: "pip install vbench"/,
    );
    await expect(runVBench({ ...run, mode: 'custom_input' })).rejects.toThrow(/scene, color for other prompts/);
    await expect(runVBench({ ...run, videos: '/videos/$HOME' })).rejects.toThrow(/misread/);
    await expect(runVBench({ ...run, command: [process.execPath, '-e', 'process.exit(3)', '--'] })).rejects.toThrow(
      /code 3/,
    );
  });
});

const ROWS = [
  [
    'CogVideoX-5B',
    [96.23, 96.52, 98.66, 96.92, 70.97, 61.98, 62.9, 85.23, 62.11, 99.4, 82.81, 66.35, 53.2, 24.91, 25.38, 27.59],
    81.6123,
  ],
  [
    'Gen-3',
    [97.1, 96.62, 98.61, 99.23, 60.14, 63.34, 66.82, 87.81, 53.64, 96.4, 80.9, 65.09, 54.57, 24.31, 24.71, 26.69],
    82.3228,
  ],
  [
    'Kling',
    [98.33, 97.6, 99.3, 99.4, 46.94, 61.21, 65.62, 87.24, 68.05, 93.4, 89.9, 73.03, 50.86, 19.62, 24.17, 26.42],
    81.8435,
  ],
] as const;

test.each(ROWS)('published row of %s', (_, row, total) => {
  const scores = Object.fromEntries(dimensionTable().map(({ dimension }, i) => [dimension, row[i]! / 100]));
  expect(100 * vbenchTotals(scores).total!).toBeCloseTo(total, 3);
});

test("the paper's total follows from its quality and semantic scores", () => {
  const [quality, semantic] = [85.91, 80.97];
  const scores = Object.fromEntries(
    dimensionTable().map(({ dimension, group }) => {
      const { min, max } = DIMENSIONS[dimension];
      return [dimension, min + ((group === 'quality' ? quality : semantic) / 100) * (max - min)];
    }),
  );
  const totals = vbenchTotals(scores);
  expect([100 * totals.quality!, 100 * totals.semantic!, 100 * totals.total!].map((value) => value.toFixed(2))).toEqual(
    ['85.91', '80.97', '84.92'],
  );
});
