/** Normalising kernels: softmax and batch normalisation. */
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

/** exp(x) / sum exp(x) over the last axis. */
const softmax = defineKernel<{ logits: Value }, { dim: number }>('Softmax', ({ inputs: { logits }, attrs }, g) =>
  g.map('Softmax', g.cast(logits, 'float32'), { axis: attrs.dim }),
);

interface BatchNormInputs {
  x: Value;
  mean: Value;
  variance: Value;
  scale?: Value;
  offset?: Value;
}

/** (x - mean) / sqrt(variance + epsilon) * scale + offset, over the last axis. */
const batchNorm = defineKernel<BatchNormInputs, { varianceEpsilon?: number }>('FusedBatchNorm', (call, g) => {
  const { x, mean, variance, scale, offset } = call.inputs;
  const deviation = g.map('Sqrt', g.add(variance, call.attrs.varianceEpsilon ?? 0.001));
  const normal = g.div(g.sub(x, mean), deviation);
  const scaled = scale ? g.mul(normal, scale) : normal;
  return offset ? g.add(scaled, offset) : scaled;
});

export const normKernels: readonly KernelDefinition[] = [softmax, batchNorm];
