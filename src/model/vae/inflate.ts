import { type Tensor, tf } from '../../engine/tf.ts';
import { type Net, Weights } from '../../nn/index.ts';
import { type VaeConfig, vaeConfig } from './config.ts';
import { vaeShapes } from './layers.ts';

/**
 * A VAE of pictures (`kernel_frames` 1) as one of clips, with zeros for the taps that look at the past: it codes every
 * frame as before, and training on clips teaches it time. The given net stays as it is, and the caller's.
 *
 * @throws RangeError for a net whose convolutions see the past already.
 * @example const clips = inflate(pictures); // train.vae({ vae: clips, ... })
 * Source: Wan technical report (arXiv 2503.20314), section 4.1.2.
 */
export function inflate(net: Net<VaeConfig>): Net<VaeConfig> {
  const { kernel_frames: frames = 3, ...rest } = net.config;
  if (frames !== 1) throw new RangeError(`inflate: wanted a net with kernel_frames 1, received ${frames}`);
  const config = vaeConfig(rest);
  const wanted = vaeShapes(config);
  const weights = tf.tidy(() => {
    return net.weights.entries().map(([name, tap]): [string, Tensor] => {
      const [out = 0, into = 0, taps = 1, ...window] = wanted.get(name)!;
      if (taps === tap.shape[2] || tap.rank !== 5) return [name, tf.keep(tf.clone(tap))];
      return [name, tf.keep(tf.concat([tf.zeros([out, into, taps - 1, ...window]), tap], 2))];
    });
  });
  const inflated = net.architecture.net(config, Weights.from(weights), { origin: 'inflated from pictures' });
  tf.dispose(weights.map(([, tensor]) => tensor));
  return inflated;
}
