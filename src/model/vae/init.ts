import type { HostTensor } from '../../io/index.ts';
import { constant, fans, type Key } from '../../nn/index.ts';
import type { VaeConfig } from './config.ts';
import { vaeShapes } from './shapes.ts';

/**
 * Fresh weights of a VAE under their official names. Weights and biases are uniform in ±1/√fan_in (PyTorch's default
 * for convolutions), norm gains 1, and each attention's output projection 0, so that attention starts as identity.
 */
export function vaeInitial(config: VaeConfig, key: Key): [string, HostTensor][] {
  const shapes = vaeShapes(config);
  const initial = (name: string, shape: readonly number[]): HostTensor => {
    if (name.endsWith('.gamma')) return constant(1)(key, shape);
    if (name.endsWith('.proj.weight')) return constant(0)(key, shape);
    const weight = shapes.get(name.replace(/bias$/, 'weight')) ?? shape;
    const bound = 1 / Math.sqrt(fans(weight).fanIn);
    return key.stream(name).uniform(shape, -bound, bound);
  };
  return [...shapes].map(([name, shape]) => [name, initial(name, shape)]);
}
