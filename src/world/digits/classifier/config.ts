import type { HostTensor } from '../../../io/index.ts';
import { type Architecture, architecture, constant, fans, type Key, type Shapes } from '../../../nn/index.ts';
import { classifierForward } from './forward.ts';

/** Sizes of the digit classifier. */
export interface ClassifierConfig {
  /** Channels of the convolutions; the first keeps the size, each later one halves it. */
  channels: readonly number[];
  classes: number;
}

/** 164,826 parameters, for 32x32 frames. */
export const CLASSIFIER: ClassifierConfig = { channels: [24, 48, 96, 128], classes: 10 };

/** Names and shapes of all weights, convolution [out, in, kH, kW] and linear [out, in]. */
export function classifierShapes({ channels, classes }: ClassifierConfig): Shapes {
  const shapes = new Map<string, number[]>();
  for (const [i, out] of channels.entries()) {
    shapes.set(`conv.${i}.weight`, [out, channels[i - 1] ?? 1, 3, 3]);
    shapes.set(`conv.${i}.bias`, [out]);
    shapes.set(`norm.${i}.weight`, [out]);
    shapes.set(`norm.${i}.bias`, [out]);
  }
  const width = channels.at(-1) ?? 1;
  return shapes.set('head.weight', [classes, width]).set('head.bias', [classes]);
}

/** Fresh weights: 1 and 0 for norms, uniform in +-1/sqrt(fan in) for the rest. */
function initial(config: ClassifierConfig, key: Key): [string, HostTensor][] {
  const shapes = classifierShapes(config);
  return [...shapes].map(([name, shape]) => {
    if (name.startsWith('norm')) return [name, constant(name.endsWith('weight') ? 1 : 0)(key, shape)];
    const bound = 1 / Math.sqrt(fans(shapes.get(name.replace(/bias$/, 'weight')) ?? shape).fanIn);
    return [name, key.stream(name).uniform(shape, -bound, bound)];
  });
}

/** The digit classifier. */
export const classifier: Architecture<ClassifierConfig, typeof classifierForward, 'digits'> = architecture({
  name: 'digit classifier',
  presets: { digits: CLASSIFIER },
  shapes: classifierShapes,
  initial,
  forward: classifierForward,
});
