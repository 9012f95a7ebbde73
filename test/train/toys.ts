/** Networks of which the right answer is known: a score that is a single point, pixels that are the latents. */
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type VaeConfig, vaeConfig, type WanConfig, type WanInput } from '../../src/model/internal.ts';
import { architecture, type Net, type Part, Weights } from '../../src/nn/index.ts';
import { config } from './small.ts';

/** A network whose clean estimate is one number: the exact score of a distribution that is a single point. */
const point = architecture({
  name: 'point',
  presets: {} as Record<string, WanConfig>,
  shapes: () => new Map([['point', [1]]]),
  forward: ({ weights }: Part<WanConfig>, { x, t }: WanInput): Tensor => {
    const sigma = tf.reshape(tf.div(t as Tensor, 1000), [-1, 1, 1, 1, 1]);
    return tf.div(tf.sub(x, weights.get('point')), sigma);
  },
});

export function pointNet(value: number): Net<WanConfig> {
  return point.net(config, weightsOf('point', [value]));
}

/** One vector of weights. */
export function weightsOf(name: string, values: readonly number[]): Weights {
  return Weights.from([[name, { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) }]]);
}

/** Latents of two channels shown as pixels, their first channel again as the third, times `scale`. */
export function pixelDecoder(scale: number, onDecode?: (gradientLatents: number) => void): Net<VaeConfig> {
  const decode = (_: Part<VaeConfig>, latents: Tensor, { gradientLatents = 0 } = {}): Tensor => {
    onDecode?.(gradientLatents);
    const channels = latents.shape[4]!;
    const first = tf.slice(latents, [0, 0, 0, 0, 0], [-1, -1, -1, -1, 3 - channels]);
    return tf.clipByValue(tf.mul(tf.concat([latents, first], 4), scale), -1, 1);
  };
  const sizes = { dim: 2, z_dim: 2, dim_mult: [1], num_res_blocks: 1, temperal_downsample: [] };
  const pixels = architecture({
    name: 'pixels',
    presets: {} as Record<string, VaeConfig>,
    shapes: () => new Map([['none', [1]]]),
    forward: decode,
  });
  return pixels.net(vaeConfig(sizes), weightsOf('none', [0]));
}
