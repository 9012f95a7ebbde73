/**
 * What an image goes through before an official image tower sees it, as data. Resizing is a linear map per axis:
 * y = R_rows x R_columnsᵀ with the rows of both matrices built once. It is differentiable, and the taps are those of the
 * reference (PIL and PyTorch).
 */
import { linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/** How new pixels are made from old ones. */
export interface ResampleFilter {
  readonly kernel: 'bicubic' | 'bilinear';
  /**
   * Whether shrinking widens the kernel, as PIL and `antialias=True` do. Bicubic taps then have a = -0.5, and
   * a = -0.75 without, as in PyTorch.
   */
  readonly antialias: boolean;
  /** Whether the corner pixels keep their places (the extents of pixels do by default). */
  readonly alignCorners?: boolean;
}

/** What happens to one axis: resized from `from` to `to` pixels, of which `count` from `first` on are kept. */
export interface AxisPlan {
  readonly from: number;
  readonly to: number;
  /** First pixel kept. @defaultValue 0 */
  readonly first?: number;
  /** Pixels kept. @defaultValue all */
  readonly count?: number;
  /** Old pixels for each new one, where it is not from / to. */
  readonly scale?: number;
}

/** Weights of old pixels (columns) in each new pixel (rows), [count, from] row-major; each row sums to 1. */
export function resampleMatrix(plan: AxisPlan, filter: ResampleFilter): Float32Array {
  const { from, first = 0, count = plan.to } = plan;
  const matrix = new Float32Array(count * from);
  for (let row = 0; row < count; row++) {
    const taps = filter.antialias ? wideTaps(plan, filter, first + row) : plainTaps(plan, filter, first + row);
    for (const [index, weight] of taps) matrix[row * from + Math.min(Math.max(index, 0), from - 1)]! += weight;
  }
  return matrix;
}

type Tap = [index: number, weight: number];

/** Taps at the source scale; what lies outside repeats the border. Source: PyTorch UpSampleKernel.cpp. */
function plainTaps(plan: AxisPlan, { kernel, alignCorners }: ResampleFilter, at: number): Tap[] {
  const { from, to, scale = from / to } = plan;
  const centre = alignCorners ? (at * (from - 1)) / Math.max(to - 1, 1) : (at + 0.5) * scale - 0.5;
  const place = kernel === 'bilinear' ? Math.max(centre, 0) : centre;
  const base = Math.floor(place);
  const offsets = kernel === 'bilinear' ? [0, 1] : [-1, 0, 1, 2];
  return offsets.map((offset) => [base + offset, weightAt(kernel, place - base - offset, -0.75)]);
}

/** Taps of a kernel as wide as the new pixels, cut at the border and renormalised. Source: PIL Resample.c. */
function wideTaps({ from, to, scale = from / to }: AxisPlan, { kernel }: ResampleFilter, at: number): Tap[] {
  const stretch = Math.max(scale, 1);
  const reach = stretch * (kernel === 'bilinear' ? 1 : 2);
  const centre = (at + 0.5) * scale;
  const start = Math.max(Math.trunc(centre - reach + 0.5), 0);
  const end = Math.min(Math.trunc(centre + reach + 0.5), from);
  const taps = Array.from({ length: end - start }, (_, i): Tap => {
    return [start + i, weightAt(kernel, (start + i + 0.5 - centre) / stretch, -0.5)];
  });
  const sum = taps.reduce((total, [, weight]) => total + weight, 0);
  return taps.map(([index, weight]) => [index, weight / sum]);
}

/** Kernel value at a distance in pixels; `a` is the slope of the cubic at distance 1 (Keys 1981). */
function weightAt(kernel: ResampleFilter['kernel'], distance: number, a: number): number {
  const x = Math.abs(distance);
  if (kernel === 'bilinear') return Math.max(1 - x, 0);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

/**
 * Resizes and crops images [B, H, W, C] to [B, rows.count, columns.count, C]. `afterAxis` is applied after each of the
 * two passes, columns first (rounding, for example).
 */
export function resample(
  x: Tensor,
  rows: AxisPlan,
  columns: AxisPlan,
  filter: ResampleFilter,
  afterAxis: (y: Tensor) => Tensor = (y) => y,
): Tensor {
  const [, height, width] = x.shape as [number, number, number, number];
  if (height !== rows.from || width !== columns.from) {
    throw new RangeError(`x has shape [${x.shape}]; wanted [B, ${rows.from}, ${columns.from}, C] for these plans`);
  }
  const across = linear(tf.transpose(x, [0, 3, 1, 2]), matrixTensor(columns, filter), null); // [B,C,H,w]
  const down = linear(tf.transpose(afterAxis(across), [0, 1, 3, 2]), matrixTensor(rows, filter), null); // [B,C,w,h]
  return tf.transpose(afterAxis(down), [0, 3, 2, 1]); // -> [B,h,w,C]
}

function matrixTensor(plan: AxisPlan, filter: ResampleFilter): Tensor {
  return tf.tensor2d(resampleMatrix(plan, filter), [plan.count ?? plan.to, plan.from]);
}

/** Preprocessing of one image model. */
export interface ImageTransform extends ResampleFilter {
  /** The shorter side becomes this many pixels, the longer one in proportion, rounded down. */
  readonly size: number;
  /** Whether the middle [size, size] is cut out. */
  readonly crop: boolean;
  /**
   * Rounding to 8 bits as the reference does: `none` (differentiable), `once` after resizing (PyTorch on uint8
   * tensors), `each` after each axis (PIL).
   */
  readonly rounding: 'none' | 'once' | 'each';
  /** Per channel, subtracted from values in [0, 1]. */
  readonly mean: readonly [number, number, number];
  /** Per channel, divided by. */
  readonly std: readonly [number, number, number];
}

/** Channel statistics of CLIP's training images, which BLIP and ImageReward use too, and of ImageNet. */
const statistics = {
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const;

/**
 * The published transforms at 224 pixels; other sizes are `{ ...imageTransforms.clip, size }`.
 *
 * - `clip`: PIL's resizing without its rounding: what a gradient flows through (ImageReward, aesthetic, CLIP score).
 * - `clipFile`: the same with PIL's rounding: what the reference does to image files.
 * - `vbenchClip`, `vbenchDino`: VBench vbench/utils.py, `clip_transform` and `dino_transform`.
 */
export const imageTransforms: Readonly<Record<'clip' | 'clipFile' | 'vbenchClip' | 'vbenchDino', ImageTransform>> = {
  clip: { size: 224, kernel: 'bicubic', antialias: true, crop: true, rounding: 'none', ...statistics.clip },
  clipFile: { size: 224, kernel: 'bicubic', antialias: true, crop: true, rounding: 'each', ...statistics.clip },
  vbenchClip: { size: 224, kernel: 'bicubic', antialias: false, crop: true, rounding: 'once', ...statistics.clip },
  vbenchDino: {
    size: 224,
    kernel: 'bilinear',
    antialias: false,
    crop: false,
    rounding: 'once',
    ...statistics.imagenet,
  },
};

/**
 * Frames [B, H, W, 3] in [0, 1] as an image tower wants them, [B, h, w, 3]: resized, cropped, normalised. A gradient
 * flows if `rounding` is `none`.
 */
export function preprocess(frames: Tensor, transform: ImageTransform): Tensor {
  return tf.tidy(() => {
    const { mean, std } = transform;
    return tf.div(tf.sub(resizeFrames(frames, transform), tf.tensor1d([...mean])), tf.tensor1d([...std]));
  });
}

/** The first part of {@link preprocess}: resized and cropped, still in [0, 1] up to the overshoot of bicubic taps. */
export function resizeFrames(frames: Tensor, transform: ImageTransform): Tensor {
  const [, height, width] = frames.shape as [number, number, number, number];
  const [rows, columns] = framePlans(height, width, transform);
  if (transform.rounding === 'none') return resample(frames, rows, columns, transform);
  return tf.tidy(() => {
    const each = transform.rounding === 'each' ? toBytes : undefined;
    const bytes = resample(toBytes(tf.mul(frames, 255)), rows, columns, transform, each);
    return tf.div(toBytes(bytes), 255);
  });
}

function toBytes(x: Tensor): Tensor {
  return tf.clipByValue(tf.round(x), 0, 255);
}

/** How a transform treats rows and columns of frames of a size. */
export function framePlans(height: number, width: number, { size, crop }: ImageTransform): [AxisPlan, AxisPlan] {
  const shorter = Math.min(height, width);
  const plan = (from: number): AxisPlan => {
    const to = from === shorter ? size : Math.trunc((size * from) / shorter);
    return crop ? { from, to, first: roundHalfEven((to - size) / 2), count: size } : { from, to };
  };
  return [plan(height), plan(width)];
}

/** Rounds to the nearest integer, halves to the even one, as Python's `round` does (2.5 -> 2, 3.5 -> 4). */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
