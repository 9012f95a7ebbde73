/**
 * Gradients that TensorFlow.js 4.22 lacks, gets wrong under broadcasting, or computes slowly; they hold for every
 * engine. Each is the textbook formula; `dy` is the gradient of the result.
 */
import type { GradConfig, Tensor } from '@tensorflow/tfjs';
import { tf } from './tf.ts';

type Gradient = GradConfig['gradFunc'];

interface AxisAttributes {
  axis: number | number[];
}

/** Sums a gradient over the axes that broadcasting added or stretched, so that it has the operand's shape. */
function unbroadcast(gradient: Tensor, shape: number[]): Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
  return (axes.length > 0 ? tf.sum(gradient, axes) : gradient).reshape(shape);
}

type Partial = (dy: Tensor, a: Tensor, b: Tensor) => Tensor;

/** Gradient of an element-wise operation of a and b from its two partial derivatives times dy. */
function elementwise(ofA: Partial, ofB: Partial): Gradient {
  return (dy, saved) => {
    const [a, b] = saved as [Tensor, Tensor];
    return {
      a: () => unbroadcast(ofA(dy as Tensor, a, b), a.shape),
      b: () => unbroadcast(ofB(dy as Tensor, a, b), b.shape),
    };
  };
}

type Comparison = 'greater' | 'greaterEqual' | 'less' | 'lessEqual';

/** dy goes to the operand whose comparison of a with b holds. */
function chosen(ofA: Comparison, ofB: Comparison): Gradient {
  const where = (is: Comparison): Partial => {
    return (dy, a, b) => dy.mul(tf.cast(tf[is](a, b), 'float32'));
  };
  return elementwise(where(ofA), where(ofB));
}

const squaredDifference = elementwise(
  (dy, a, b) => dy.mul(a.sub(b)).mul(2),
  (dy, a, b) => dy.mul(b.sub(a)).mul(2),
);

/** dy spread over the reduced axes: dx = dy (sum), dy / n (mean). TensorFlow.js multiplies by an array of ones. */
function reduction(scale: (x: Tensor, axes: number[]) => number): Gradient {
  return (dy, saved, attrs) => {
    const [x] = saved as [Tensor];
    const axes = tf.util.parseAxisParam((attrs as unknown as AxisAttributes).axis, x.shape);
    const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
    const factor = scale(x, axes);
    const ofX = (): Tensor => {
      const spread = (dy as Tensor).reshape(kept);
      return tf.broadcastTo(factor === 1 ? spread : spread.mul(factor), x.shape);
    };
    return { x: ofX };
  };
}

const mean = reduction((x, axes) => 1 / axes.reduce((count, axis) => count * x.shape[axis]!, 1));

/** The sum runs backwards: dx = cumsum of dy in the other direction, along the same axis. */
const cumsum: Gradient = (dy, _saved, attrs) => {
  const { axis, exclusive, reverse } = attrs as unknown as { axis: number; exclusive: boolean; reverse: boolean };
  return { x: () => tf.cumsum(dy as Tensor, axis, exclusive, !reverse) };
};

/** Attributes of TensorFlow.js's strided slice. */
export interface StridedSliceAttributes {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}

/** Each element of dy goes back to the position it was taken from: the same slice of the positions tells which. */
const stridedSlice: Gradient = (dy, saved, attrs) => {
  const [x] = saved as [Tensor];
  const a = attrs as unknown as StridedSliceAttributes;
  const ofX = (): Tensor => {
    const positions = tf.range(0, x.size, 1, 'int32').reshape(x.shape);
    const masks = [a.beginMask, a.endMask, a.ellipsisMask, a.newAxisMask, a.shrinkAxisMask] as const;
    const taken = tf.stridedSlice(positions, a.begin, a.end, a.strides, ...masks);
    return tf.unsortedSegmentSum((dy as Tensor).flatten(), taken.flatten(), x.size).reshape(x.shape);
  };
  return { x: ofX };
};

/** Each slice of dy is added where it was gathered from. */
const gatherNd: Gradient = (dy, saved) => {
  const [params, indices] = saved as [Tensor, Tensor];
  return {
    params: () => tf.scatterND(indices, dy as Tensor, params.shape),
    indices: () => tf.zerosLike(indices),
  };
};

const overrides: readonly (readonly [kernelName: string, inputsToSave: string[], gradFunc: Gradient])[] = [
  ['Sum', ['x'], reduction(() => 1)],
  ['Mean', ['x'], mean],
  ['Maximum', ['a', 'b'], chosen('greaterEqual', 'less')],
  ['Minimum', ['a', 'b'], chosen('lessEqual', 'greater')],
  ['SquaredDifference', ['a', 'b'], squaredDifference],
  ['Cumsum', ['x'], cumsum],
  ['StridedSlice', ['x'], stridedSlice],
  ['GatherNd', ['params', 'indices'], gatherNd],
];

let registered = false;

/** Installs the gradients, once. They are correct on every backend, so they stay when the engine changes. */
export function registerGradients(): void {
  if (registered) return;
  registered = true;
  for (const [kernelName, inputsToSave, gradFunc] of overrides) {
    if (tf.getGradient(kernelName)) tf.unregisterGradient(kernelName);
    tf.registerGradient({ kernelName, inputsToSave, gradFunc });
  }
}
