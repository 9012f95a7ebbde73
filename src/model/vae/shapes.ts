/** Names and shapes of every parameter of a VAE, as in the official checkpoint. */
import type { Shapes } from '../../nn/index.ts';
import type { VaeConfig } from './config.ts';
import { decoderLayers, encoderLayers, type VaeLayer, type VaeLayerKind } from './layers.ts';

type ShapeRecord = Record<string, readonly number[]>;

const cube = [3, 3, 3] as const;
const square = [3, 3] as const;

/** Parameters of each kind of layer by their names below the layer's prefix. */
const parameters: Record<VaeLayerKind, (layer: VaeLayer) => ShapeRecord> = {
  conv: (l) => affine('', [l.out, l.in, ...cube]),
  pointwise: (l) => affine('', [l.out, l.in, 1, 1, 1]),
  residual: (l) => ({
    'residual.0.gamma': [l.in, 1, 1, 1],
    ...affine('residual.2.', [l.out, l.in, ...cube]),
    'residual.3.gamma': [l.out, 1, 1, 1],
    ...affine('residual.6.', [l.out, l.out, ...cube]),
    ...(l.in === l.out ? {} : affine('shortcut.', [l.out, l.in, 1, 1, 1])),
  }),
  attention: (l) => ({
    'norm.gamma': [l.in, 1, 1],
    ...affine('to_qkv.', [3 * l.in, l.in, 1, 1]),
    ...affine('proj.', [l.in, l.in, 1, 1]),
  }),
  head: (l) => ({ '0.gamma': [l.in, 1, 1, 1], ...affine('2.', [l.out, l.in, ...cube]) }),
  downsample2d: (l) => affine('resample.1.', [l.out, l.in, ...square]),
  downsample3d: (l) => ({
    ...affine('resample.1.', [l.out, l.in, ...square]),
    ...affine('time_conv.', [l.out, l.out, 3, 1, 1]),
  }),
  upsample2d: (l) => affine('resample.1.', [l.out, l.in, ...square]),
  upsample3d: (l) => ({
    ...affine('resample.1.', [l.out, l.in, ...square]),
    ...affine('time_conv.', [2 * l.in, l.in, 3, 1, 1]),
  }),
};

/** Shape of each parameter of the VAE by its official name; what a checkpoint must hold. */
export function vaeShapes(config: VaeConfig): Shapes {
  const layers = [...encoderLayers(config), ...decoderLayers(config)];
  return new Map(
    layers.flatMap((layer) =>
      Object.entries(parameters[layer.kind](layer)).map(([name, shape]) => [`${layer.name}.${name}`, shape] as const),
    ),
  );
}

function affine(prefix: string, weight: readonly number[]): ShapeRecord {
  return { [`${prefix}weight`]: weight, [`${prefix}bias`]: weight.slice(0, 1) };
}
