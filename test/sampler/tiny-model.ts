import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type VaeConfig, vae, type WanConfig, wan, wanPresets } from '../../src/model/internal.ts';
import { type Net, random, toTensor } from '../../src/nn/index.ts';

/** Networks that make clips, small enough for the interpreter: 2 frames and 2 pixels a latent, random weights. */
export interface TinyModel {
  readonly net: Net<WanConfig>;
  readonly decoder: Net<VaeConfig>;
  readonly text: { encode(prompts: readonly string[]): Tensor };
}

/** A tiny model whose transformer says something else for each prompt. */
export function tinyModel(config: Partial<WanConfig> = {}): TinyModel {
  const key = random.key(3);
  const net = wan.init({ ...wanPresets.tiny, ...config }, key.stream('net'));
  const head = toTensor(key.stream('head').normal(net.weights.get('head.head.weight').shape)); // 0 at the start
  net.weights.variable('head.head.weight').assign(head);
  const decoder = vae.init(vae.presets.tiny, key.stream('vae'));
  const rows = (prompt: string): Tensor => toTensor(random.key(prompt).normal([3, net.config.text_dim]));
  return { net, decoder, text: { encode: (prompts) => tf.tidy(() => tf.stack(prompts.map(rows))) } };
}
