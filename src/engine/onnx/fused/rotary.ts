/** Rotary embedding as ONNX Runtime's own operator; the gradient is the rotation by the opposite angle. */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

interface RotaryInputs {
  x: Value;
  cos: Value;
  sin: Value;
}

function rotate(x: Value, cos: Value, sin: Value, g: GraphBuilder): Value {
  const [batch, tokens, heads, width] = x.shape as [number, number, number, number];
  const flat = g.reshape(x, [batch, tokens, heads * width]); // [B, L, N, D] -> [B, L, N*D]
  const attributes = { interleaved: 1 };
  const turned = g.node('microsoft:RotaryEmbedding', [flat, g.int64([0]), cos, sin], attributes, flat.shape, 'float32');
  return g.reshape(turned, x.shape);
}

export const rotaryKernels: readonly KernelDefinition[] = [
  defineKernel<RotaryInputs>('fused.rotary', ({ inputs: { x, cos, sin } }, g) => rotate(x, cos, sin, g)),
  defineKernel<RotaryInputs & { dy: Value }>('fused.rotary.grad', ({ inputs: { cos, sin, dy } }, g) => [
    rotate(dy, cos, g.map('Neg', sin), g),
  ]),
];
