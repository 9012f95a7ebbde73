/** Activations; the gradients reuse the forward's nodes where the graph still has them. */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

interface X {
  x: Value;
}
type Gradient = X & { dy: Value };
interface GeluAttributes {
  form: 'tanh' | 'erf';
}

function gelu(x: Value, { form }: GeluAttributes, g: GraphBuilder): Value {
  return g.map('Gelu', x, { approximate: form === 'tanh' ? 'tanh' : 'none' });
}

/** tanh form as y = x s with s = sigmoid(2√(2/π) (x + 0.044715 x³)): dy/dx = s + y (1 - s) (a + 3 b x²). */
function geluTanhSlope(x: Value, g: GraphBuilder): Value {
  const a = 2 * Math.sqrt(2 / Math.PI);
  const b = a * 0.044715;
  const square = g.mul(x, x);
  const s = g.map('Sigmoid', g.mul(x, g.add(g.mul(square, b), a)));
  const slope = g.add(g.mul(square, 3 * b), a);
  return g.add(g.mul(g.mul(gelu(x, { form: 'tanh' }, g), g.sub(1, s)), slope), s);
}

/** erf form: dy/dx = Φ(x) + x φ(x). */
function geluErfSlope(x: Value, g: GraphBuilder): Value {
  const cumulative = g.mul(g.add(g.map('Erf', g.mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = g.mul(g.map('Exp', g.mul(g.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return g.add(cumulative, g.mul(x, density));
}

/** With s = sigmoid(x) and y = x s: dy/dx = s (1 - y) + y. */
function siluSlope(x: Value, g: GraphBuilder): Value {
  const s = g.map('Sigmoid', x);
  const y = g.mul(x, s);
  return g.add(g.mul(s, g.sub(1, y)), y);
}

export const activationKernels: readonly KernelDefinition[] = [
  defineKernel<X, GeluAttributes>('fused.gelu', ({ inputs, attrs }, g) => gelu(inputs.x, attrs, g)),
  defineKernel<Gradient, GeluAttributes>('fused.gelu.grad', ({ inputs: { x, dy }, attrs }, g) => [
    g.mul(dy, attrs.form === 'tanh' ? geluTanhSlope(x, g) : geluErfSlope(x, g)),
  ]),
  defineKernel<X>('fused.silu', ({ inputs: { x } }, g) => g.mul(x, g.map('Sigmoid', x))),
  defineKernel<Gradient>('fused.silu.grad', ({ inputs: { x, dy } }, g) => [g.mul(dy, siluSlope(x, g))]),
];
