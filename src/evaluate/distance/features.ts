import type { Clip } from '../../io/index.ts';
import { random } from '../../nn/index.ts';
import { dot, frechetDistance, kernelDistance, moments, symmetricEigen } from './frechet.ts';

/** What sets of clips are compared by; the name stands with every distance. */
export interface FeatureExtractor {
  readonly name: string;
  /** Numbers per clip. */
  readonly width: number;
  /** One row of `width` numbers for each clip. */
  extract(clips: readonly Clip[]): Promise<Float64Array[]> | Float64Array[];
}

/** How far two sets of clips are apart. */
export interface FeatureDistance {
  /** "Frechet feature distance (NAME)": only with I3D's logits may it be called FVD. */
  readonly name: string;
  readonly frechet: number;
  /** Unbiased squared kernel distance on the same features; can be negative. */
  readonly kernel: number;
  /** Frechet distance of two halves of the reference, times a half: what is left between sets of one kind of this size. */
  readonly floor: number;
  /** Clips on each side. */
  readonly clips: number;
}

/**
 * Frechet and kernel distance between generated clips and a reference. The Frechet distance falls as 1/n even between
 * sets of one kind, so both sides have the same number of clips, more than features, and the floor stands beside it.
 *
 * @throws RangeError for sets of different size, or of no more clips than features.
 */
export async function featureDistance(
  generated: readonly Clip[],
  reference: readonly Clip[],
  extractor: FeatureExtractor,
  seed: number | string = 0,
): Promise<FeatureDistance> {
  const { name, width } = extractor;
  if (generated.length !== reference.length || reference.length <= width) {
    throw new RangeError(
      `received ${generated.length} generated and ${reference.length} reference clips for ${width} features; wanted equal ` +
        'numbers of clips, more than there are features',
    );
  }
  const [ours, theirs] = [await extractor.extract(generated), await extractor.extract(reference)];
  const order = random.key(seed).stream('halves').permutation(theirs.length);
  const shuffled = [...order].map((i) => theirs[i]!);
  const half = theirs.length >> 1;
  const [first, second] = [shuffled.slice(0, half), shuffled.slice(half, 2 * half)];
  return {
    name: `Frechet feature distance (${name})`,
    frechet: frechetDistance(moments(ours), moments(theirs)),
    kernel: kernelDistance(ours, theirs),
    floor: frechetDistance(moments(first), moments(second)) / 2, // the bias falls as 1 / n
    clips: theirs.length,
  };
}

/**
 * An extractor without a network: the largest principal components of the pixels of reference clips, each of variance 1
 * over them. It sees what is where in the first place, hardly how it moves.
 *
 * @param components - at most one less than there are clips
 */
export function principalComponents(reference: readonly Clip[], components: number = 32): FeatureExtractor {
  const count = reference.length;
  if (!(components >= 1 && components < count)) {
    throw new RangeError(`components is ${components} with ${count} clips; wanted 1 to ${count - 1}`);
  }
  const mean = meanClip(reference);
  const centred = reference.map((clip) => minus(clip, mean));
  const gram = Float64Array.from({ length: count * count }, (_, i) => {
    return dot(centred[Math.floor(i / count)]!, centred[i % count]!);
  });
  const { values, vectors } = symmetricEigen(gram, count);
  const kept = [...values.keys()].sort((a, b) => values[b]! - values[a]!).slice(0, components);
  const axes = kept.map((k) => axisOf(centred, vectors, k, values[k]!));
  return {
    name: `${components} principal components of pixels`,
    width: components,
    extract: (clips) => clips.map((clip) => project(minus(clip, mean), axes)),
  };
}

/** Of variance 1 over the reference: sum_i v_i x_i sqrt(n - 1) / lambda. */
function axisOf(rows: readonly Float32Array[], vectors: Float64Array, k: number, value: number): Float64Array {
  const count = rows.length;
  const scale = Math.sqrt(count - 1) / Math.max(value, 1e-12);
  const axis = new Float64Array(rows[0]!.length);
  for (const [i, row] of rows.entries()) {
    const share = scale * vectors[i * count + k]!;
    for (let p = 0; p < axis.length; p++) axis[p]! += share * row[p]!;
  }
  return axis;
}

function project(row: Float32Array, axes: readonly Float64Array[]): Float64Array {
  return Float64Array.from(axes, (axis) => dot(row, axis));
}

function meanClip(clips: readonly Clip[]): Float64Array {
  const mean = new Float64Array(clips[0]!.data.length);
  for (const { data } of clips) for (let i = 0; i < mean.length; i++) mean[i]! += data[i]! / clips.length;
  return mean;
}

function minus({ data }: Clip, mean: Float64Array): Float32Array {
  if (data.length === mean.length) return data.map((value, i) => value - mean[i]!);
  throw new RangeError(`a clip has ${data.length} values; wanted ${mean.length}, as the reference clips have`);
}
