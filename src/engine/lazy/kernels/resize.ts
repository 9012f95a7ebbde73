/** Resizing of images [B, H, W, C] as products with two interpolation matrices, whose transposes give the gradients. */
import type { Constant, GraphBuilder, Value } from '../../graph/index.ts';
import type { Kernels } from '../kernel.ts';

interface ResizeAttributes {
  size: [number, number];
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

/** Where an output position lies among the inputs: index of the first neighbour and weight of the second. */
type Place = (at: number) => readonly [first: number, weightOfSecond: number];
type Method = (from: number, scale: number, attrs: ResizeAttributes) => Place;

/** The matrix [to, from] that takes a row of `from` positions to `to`. */
function matrix(from: number, to: number, place: Place, g: GraphBuilder): Constant {
  const data = new Float32Array(to * from);
  for (let row = 0; row < to; row++) {
    const [first, weight] = place(row);
    const add = (column: number, share: number): void => {
      data[row * from + Math.min(from - 1, Math.max(0, column))]! += share;
    };
    add(first, 1 - weight);
    add(first + 1, weight);
  }
  return g.constant('float32', [to, from], data);
}

const bilinear: Method =
  (from, scale, { halfPixelCenters }) =>
  (at) => {
    const position = Math.max(0, halfPixelCenters ? (at + 0.5) * scale - 0.5 : at * scale);
    const first = Math.min(from - 1, Math.floor(position));
    return [first, Math.min(1, position - first)];
  };

const nearest: Method =
  (from, scale, { alignCorners, halfPixelCenters }) =>
  (at) => {
    const position = scale * (at + (halfPixelCenters ? 0.5 : 0));
    return [Math.min(from - 1, alignCorners ? Math.round(position) : Math.floor(position)), 0];
  };

/** Matrices for rows and columns between an image of `from` and one of `to` pixels. */
function matrices(method: Method, from: number[], to: number[], attrs: ResizeAttributes, g: GraphBuilder): Constant[] {
  return from.map((size, axis) => {
    const wanted = to[axis]!;
    const scale = attrs.alignCorners && wanted > 1 ? (size - 1) / (wanted - 1) : size / wanted;
    return matrix(size, wanted, method(size, scale, attrs), g);
  });
}

/** Products along height and width of x [B, H, W, C], by the matrices or their transposes. */
function apply(x: Value, [rows, columns]: Constant[], transA: boolean, g: GraphBuilder): Value {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const high = g.matmul(rows!, g.reshape(x, [batch, height, width * channels]), { transA }); // [B, H', W*C]
  const lines = g.reshape(high, [batch * high.shape[1]!, width, channels]);
  const wide = g.matmul(columns!, lines, { transA }); // [B*H', W', C]
  return g.reshape(wide, [batch, high.shape[1]!, wide.shape[1]!, channels]);
}

function resizing(name: string, method: Method): Kernels {
  return {
    [name]: ({ images }: { images: Value }, attrs: ResizeAttributes, g) => {
      const from = images.shape.slice(1, 3);
      return apply(g.cast(images, 'float32'), matrices(method, from, attrs.size, attrs, g), false, g);
    },
    [`${name}Grad`]: ({ images, dy }: { images: Value; dy: Value }, attrs: ResizeAttributes, g) =>
      apply(dy, matrices(method, images.shape.slice(1, 3), dy.shape.slice(1, 3), attrs, g), true, g),
  };
}

export const resizeKernels: Kernels = {
  ...resizing('ResizeBilinear', bilinear),
  ...resizing('ResizeNearestNeighbor', nearest),
};
