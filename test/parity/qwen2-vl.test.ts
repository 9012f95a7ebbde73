/** Parity of Qwen2-VL with VideoAlign's reward head: towers, scores, gradients, LoRA, frame rules. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  mergedLora,
  patchify,
  type Qwen2VlConfig,
  qwen2VlRewards,
  qwen2vl,
  smartFrameCount,
  smartResize,
} from '../../src/model/internal.ts';
import type { LoraConfig } from '../../src/model/qwen2vl/lora.ts';
import type { PatchGrid } from '../../src/model/qwen2vl/positions.ts';
import type { Qwen2VlInput } from '../../src/model/qwen2vl/qwen2vl.ts';
import { qwen2VlRewardShapes } from '../../src/model/qwen2vl/weights.ts';
import type { Weights } from '../../src/nn/index.ts';
import { checkShapes, shapesOf } from '../../src/nn/internal.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

interface Notes {
  _output_dim: number;
  _special_token_ids: number[];
  _lora: LoraConfig;
}

interface FrameRules {
  smart_resize: { height: number; width: number; min_pixels: number; max_pixels: number; result: [number, number] }[];
  smart_nframes: {
    ele: { nframes?: number; fps?: number; min_frames?: number; max_frames?: number };
    total_frames: number;
    video_fps: number;
    result: number;
  }[];
}

const files = fixture('qwen2-vl');
const config = files.config as unknown as Qwen2VlConfig & Notes;
const { _output_dim: outputs, _special_token_ids: specialTokens, _lora: lora } = config;
let stored: FixtureTensors;
let data: FixtureTensors;

beforeAll(async () => {
  stored = await files.tensors('weights.safetensors');
  data = await files.tensors();
});

test('names and shapes are those of the checkpoint', () => {
  expect(() => checkShapes(shapesOf(stored.all), qwen2VlRewardShapes({ ...config, outputs }))).not.toThrow();
});

test('sizes and numbers of frames', () => {
  const rules = files.json<FrameRules>('frame_rules.json');
  for (const { height, width, min_pixels: minPixels, max_pixels: maxPixels, result } of rules.smart_resize) {
    expect(smartResize(height, width, { minPixels, maxPixels }), `${height}x${width}`).toEqual(result);
  }
  for (const { ele, total_frames, video_fps, result } of rules.smart_nframes) {
    const options = {
      ...(ele.nframes !== undefined && { nframes: ele.nframes }),
      ...(ele.fps !== undefined && { fps: ele.fps }),
      ...(ele.min_frames !== undefined && { minFrames: ele.min_frames }),
      ...(ele.max_frames !== undefined && { maxFrames: ele.max_frames }),
    };
    expect(smartFrameCount(total_frames, video_fps, options), JSON.stringify(ele)).toBe(result);
  }
});

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  let weights: Weights;

  beforeAll(async () => {
    await use(engine);
    weights = (await qwen2vl.load({ ...config, outputs }, stored.all)).weights;
  });

  afterAll(() => weights.dispose());

  test('rewards and inner values', async () => {
    const seen = new Map<string, Tensor>();
    const rewards = qwen2VlRewards({ weights, config }, specialTokens, input(), {
      onValue: (name, y) => void seen.set(name, tf.keep(y.clone())),
    });
    for (const key of data.names('mid.')) {
      const received = seen.get(moduleOf(key))!;
      const real = received.rank === 3 ? validRows(received) : received;
      await expectParity(`qwen2-vl ${key}, ${engine}`, real, data.host(key));
    }
    const states = data.host('last_hidden_state_valid_rows');
    await expectParity(`qwen2-vl last states, ${engine}`, validRows(seen.get('model')!), states);
    await expectParity(`qwen2-vl rewards, ${engine}`, rewards, data.host('rewards'));
    tf.dispose([...seen.values()]);
  });

  test("rewards with Qwen2-VL's own positions", async () => {
    const seen = new Map<string, Tensor>();
    const positions = tf.cast(data.tensor('mrope.position_ids'), 'float32');
    const rewards = qwen2VlRewards(
      { weights, config },
      specialTokens,
      { ...input(), positions },
      {
        onValue: (name, y) => void (name === 'model' && seen.set(name, tf.keep(y.clone()))),
      },
    );
    const states = data.host('mrope.last_hidden_state_valid_rows');
    await expectParity(`qwen2-vl last states (mrope), ${engine}`, validRows(seen.get('model')!), states);
    await expectParity(`qwen2-vl rewards (mrope), ${engine}`, rewards, data.host('mrope.rewards'));
    tf.dispose([...seen.values()]);
  });

  test('gradients', async () => {
    const names = data.names('grad.w.').map((name) => name.slice('grad.w.'.length));
    const variables = names.map((name) => weights.variable(name));
    const probe = data.tensor('probe');
    const scalar = (pixels: Tensor) =>
      tf.sum(tf.mul(qwen2VlRewards({ weights, config }, specialTokens, { ...input(), pixels }), probe)).asScalar();
    const bounds = { atol: 1e-6, rtol: 1e-4 };
    const pixels = data.tensor('pixel_values_videos');
    const gradient = tf.grad(scalar)(pixels);
    await expectParity(
      `qwen2-vl gradient of pixels, ${engine}`,
      gradient,
      data.host('grad.pixel_values_videos'),
      bounds,
    );
    const { value, grads } = tf.variableGrads(() => scalar(pixels), variables);
    await expectParity(`qwen2-vl scalar, ${engine}`, value, data.values('scalar'));
    for (const [i, name] of names.entries()) {
      const expected = data.host(`grad.w.${name}`);
      await expectParity(`qwen2-vl gradient of weights, ${engine}`, grads[variables[i]!.name]!, expected, bounds);
    }
  });

  test('patches of frames', async () => {
    const expected = await files.tensors('patchify.safetensors');
    const frames = tf.div(tf.transpose(expected.tensor('patch.frames_u8'), [0, 2, 3, 1]), 255);
    const { pixels, grids } = patchify(tf.expandDims(frames, 0), config.vision_config);
    expect(grids.flat()).toEqual(expected.list('patch.grid_thw'));
    await expectParity(`qwen2-vl patches, ${engine}`, pixels, expected.host('patch.pixel_values'));
  });

  test("LoRA in PEFT's names is merged at load", async () => {
    const [peft, expected] = [
      await files.tensors('weights_peft.safetensors'),
      await files.tensors('lora_case.safetensors'),
    ];
    const merged = (await qwen2vl.load({ ...config, outputs }, mergedLora(peft.all, lora))).weights;
    const rewards = qwen2VlRewards({ weights: merged, config }, specialTokens, input());
    await expectParity(`qwen2-vl rewards (LoRA), ${engine}`, rewards, expected.host('lora.rewards'));
    merged.dispose();
  });
});

function input(): Qwen2VlInput {
  return {
    ids: data.tensor('input_ids'),
    mask: data.tensor('attention_mask'),
    pixels: data.tensor('pixel_values_videos'),
    grids: grids(),
  };
}

function grids(): PatchGrid[] {
  return rows('video_grid_thw').map(([time, height, width]) => [time!, height!, width!]);
}

/** A matrix of the case as lists. */
function rows(name: string): number[][] {
  const [count, width] = data.shape(name) as [number, number];
  const values = data.list(name);
  return Array.from({ length: count }, (_, i) => values.slice(i * width, (i + 1) * width));
}

/** States with padding rows set to 0. */
function validRows(states: Tensor): Tensor {
  return tf.mul(states, tf.expandDims(data.tensor('attention_mask'), -1));
}

/** Name of the module whose output the fixture calls `key`. */
function moduleOf(key: string): string {
  return key
    .replace(/^mid\.visual\.block(\d+)\.out$/, 'visual.blocks.$1')
    .replace(/^mid\.visual\.merged$/, 'visual.merger')
    .replace(/^mid\.layer(\d+)\.out$/, 'model.layers.$1');
}
