import { describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { agree, type Row, withGradients } from './agree.ts';
import { booleans, floats, integers, positives } from './inputs.ts';

const grad = (name: string, f: (...xs: Tensor[]) => Tensor, inputs: () => Tensor[], tolerance?: number): Row =>
  [name, () => withGradients(f, ...inputs()), ...(tolerance === undefined ? [] : [tolerance])] as Row;

const X = (): Tensor => floats([3, 4, 5], 1);
const Y = (): Tensor => floats([4, 5], 2);
const P = (): Tensor => positives([3, 4, 5], 3);
const I = (): Tensor => integers([3, 4, 5], -9, 10, 4);
const J = (): Tensor => integers([4, 5], 1, 6, 5);
const B = (): Tensor => booleans([3, 4, 5], 6);

describe('unary', () => {
  const smooth = [
    'cos',
    'cosh',
    'elu',
    'erf',
    'exp',
    'expm1',
    'sigmoid',
    'sin',
    'sinh',
    'softplus',
    'square',
    'tan',
    'tanh',
    'asinh',
    'atan',
    'selu',
    'neg',
    'abs',
    'relu',
    'relu6',
  ] as const;
  agree(
    smooth.map((name) =>
      grad(
        name,
        (x) => tf[name](x!),
        () => [X()],
        1e-5,
      ),
    ),
  );
  const positive = ['log', 'log1p', 'reciprocal', 'rsqrt', 'sqrt'] as const;
  agree(
    positive.map((name) =>
      grad(
        name,
        (x) => tf[name](x!),
        () => [P()],
        1e-5,
      ),
    ),
  );
  const inside = ['acos', 'asin', 'atanh'] as const;
  agree(
    inside.map((name) =>
      grad(
        name,
        (x) => tf[name](x!),
        () => [floats([3, 4], 1, 0.9)],
        1e-5,
      ),
    ),
  );
  agree([
    grad(
      'acosh',
      (x) => tf.acosh(x!),
      () => [positives([3, 4]).add(1)],
      1e-5,
    ),
    grad(
      'clipByValue',
      (x) => tf.clipByValue(x!, -0.5, 1.25),
      () => [X()],
    ),
    grad(
      'leakyRelu',
      (x) => tf.leakyRelu(x!, 0.1),
      () => [X()],
    ),
    grad(
      'prelu',
      (x, a) => tf.prelu(x!, a!),
      () => [X(), floats([5], 7)],
    ),
    grad(
      'step',
      (x) => tf.step(x!, 0.25).mul(x!),
      () => [X()],
    ),
    ['ceil, floor, round, sign', () => [tf.ceil(X()), tf.floor(X()), tf.round(X().mul(4)), tf.sign(X())]],
    ['round halves to even', () => tf.round(tf.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))],
    [
      'non-finite',
      () => {
        const x = tf.tensor([1, Number.NaN, Infinity, -Infinity, 0]);
        return [tf.isNaN(x), tf.isInf(x), tf.isFinite(x), tf.relu(x), tf.exp(x), tf.maximum(x, 0), tf.step(x)];
      },
    ],
    [
      'of int32',
      () => [
        tf.abs(I()),
        tf.neg(I()),
        tf.sign(I()),
        tf.square(I()),
        tf.relu(I()),
        tf.exp(J()),
        tf.engine().runKernel('Floor', { x: I() }) as Tensor,
        tf.clipByValue(I(), -3, 4),
        tf.isNaN(I()),
        tf.engine().runKernel('Sqrt', { x: J() }) as Tensor,
        tf.leakyRelu(I(), 0.5),
      ],
    ],
    [
      'cast',
      () => [X().mul(3).toInt(), X().toBool(), I().toFloat(), I().toBool(), B().toFloat(), B().toInt(), X().toFloat()],
    ],
    ['logicalNot', () => tf.logicalNot(B())],
  ]);
});

describe('binary', () => {
  const shapes: [string, () => Tensor[]][] = [
    ['same shape', () => [P(), positives([3, 4, 5], 8)]],
    ['fewer axes', () => [P(), positives([4, 5], 9)]],
    ['axes of one', () => [positives([3, 1, 5], 10), positives([1, 4, 1], 11)]],
    ['rank 0', () => [P(), tf.scalar(1.7)]],
    ['more axes on the right', () => [positives([5], 12), P()]],
  ];
  const operations = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum', 'mod'] as const;
  for (const name of operations) {
    agree(shapes.map(([label, inputs]) => grad(`${name}, ${label}`, (a, b) => tf[name](a!, b!), inputs, 1e-5)));
  }
  agree(
    shapes.map(([label, inputs]) =>
      grad(`squaredDifference, ${label}`, (a, b) => tf.squaredDifference(a!, b!), inputs, 1e-5),
    ),
  );
  const onIntegers = [
    'add',
    'sub',
    'mul',
    'div',
    'floorDiv',
    'mod',
    'maximum',
    'minimum',
    'pow',
    'squaredDifference',
  ] as const;
  agree(onIntegers.map((name): Row => [`${name} of int32`, () => tf[name](name === 'pow' ? J() : I(), J())]));
  const comparisons = ['equal', 'notEqual', 'greater', 'greaterEqual', 'less', 'lessEqual'] as const;
  agree(
    comparisons.map(
      (name): Row => [name, () => [tf[name](X(), Y()), tf[name](I(), J()), tf[name](B(), booleans([4, 5], 13))]],
    ),
  );
  agree([
    ['division by zero', () => tf.div(tf.tensor([1, -1, 0]), tf.tensor([0, 0, 0]))],
    ['mod with negative divisors', () => tf.mod(tf.tensor([7.5, -7.5, 7, -7]), tf.tensor([-2, 2, 3, 3]))],
    [
      'large int32 divided exactly',
      () => tf.floorDiv(tf.tensor([2147483647, -2147483647], undefined, 'int32'), tf.scalar(10, 'int32')),
    ],
    ['float and int32 mixed', () => [tf.add(X(), J()), tf.mul(J(), X())]],
    [
      'logical',
      () => [
        tf.logicalAnd(B(), booleans([4, 5], 14)),
        tf.logicalOr(B(), booleans([4, 5], 14)),
        tf.logicalXor(B(), booleans([3, 4, 5], 14)),
      ],
    ],
    grad(
      'addN',
      (a, b, c) => tf.addN([a!, b!, c!]),
      () => [X(), P(), X()],
    ),
    ['addN of int32', () => tf.addN([I(), I(), I()])],
    grad(
      'where',
      (a, b) => tf.where(B(), a!, b!),
      () => [X(), P()],
    ),
    grad(
      'where, broadcast',
      (a, b) => tf.where(booleans([4, 1], 3), a!, b!),
      () => [X(), tf.scalar(2)],
    ),
    ['where of int32 and bool', () => [tf.where(B(), I(), J()), tf.where(B(), B(), booleans([3, 4, 5], 15))]],
  ]);
});

describe('reductions', () => {
  const axes: [string, number | number[] | undefined][] = [
    ['all', undefined],
    ['first', 0],
    ['last', -1],
    ['two', [0, 2]],
  ];
  for (const keepDims of [false, true]) {
    for (const [label, axis] of axes) {
      const tag = `${label}${keepDims ? ', kept' : ''}`;
      agree([
        grad(
          `sum, ${tag}`,
          (x) => tf.sum(x!, axis, keepDims),
          () => [X()],
          1e-5,
        ),
        grad(
          `mean, ${tag}`,
          (x) => tf.mean(x!, axis, keepDims),
          () => [X()],
          1e-5,
        ),
        grad(
          `max, ${tag}`,
          (x) => tf.max(x!, axis, keepDims),
          () => [X()],
        ),
        grad(
          `min, ${tag}`,
          (x) => tf.min(x!, axis, keepDims),
          () => [X()],
        ),
        grad(
          `logSumExp, ${tag}`,
          (x) => tf.logSumExp(x!, axis, keepDims),
          () => [X()],
          1e-5,
        ),
        [`prod, ${tag}`, () => tf.prod(P(), axis, keepDims), 1e-5],
        [
          `int32 and bool, ${tag}`,
          () => [
            tf.sum(I(), axis, keepDims),
            tf.sum(B(), axis, keepDims),
            tf.mean(I(), axis, keepDims),
            tf.max(I(), axis, keepDims),
            tf.min(B(), axis, keepDims),
            tf.prod(J(), 0, keepDims),
            tf.all(B(), axis, keepDims),
            tf.any(B(), axis, keepDims),
          ],
          1e-5,
        ],
      ]);
    }
  }
  agree([
    ['sum of large int32 is exact', () => tf.sum(tf.tensor([16777217, 16777217, 1], undefined, 'int32'))],
    ['argMax, argMin', () => [tf.argMax(X(), 1), tf.argMin(X(), -1), tf.argMax(I(), 0), tf.argMax(B(), 2)]],
    [
      'argMax takes the first of equals',
      () =>
        tf.argMax(
          tf.tensor([
            [1, 3, 3],
            [2, 2, 2],
          ]),
          1,
        ),
    ],
    grad(
      'cumsum',
      (x) => tf.cumsum(x!, 2),
      () => [X()],
      1e-5,
    ),
    ['cumsum of int32', () => [tf.cumsum(I(), 1), tf.cumsum(I(), 0, true, true)]],
    [
      'topk',
      () => {
        const { values, indices } = tf.topk(X(), 3);
        return [values, indices];
      },
    ],
    [
      'moments',
      () => {
        const { mean, variance } = tf.moments(X(), [0, 2]);
        return [mean, variance];
      },
    ],
    grad(
      'norm',
      (x) => tf.norm(x!),
      () => [X()],
      1e-5,
    ),
  ]);
});

describe('matrix products', () => {
  const dims: [string, number[], number[]][] = [
    ['matrices', [4, 5], [5, 6]],
    ['batches', [3, 4, 5], [3, 5, 6]],
    ['one batch broadcast', [3, 4, 5], [1, 5, 6]],
    ['batches of rank 4', [2, 3, 4, 5], [2, 3, 5, 6]],
  ];
  const swap = (s: number[]): number[] => [...s.slice(0, -2), s.at(-1)!, s.at(-2)!];
  for (const [label, a, b] of dims) {
    for (const [transA, transB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const inputs = (): Tensor[] => [floats(transA ? swap(a) : a, 1), floats(transB ? swap(b) : b, 2)];
      const name = `${label}${transA ? ', a transposed' : ''}${transB ? ', b transposed' : ''}`;
      const isBroadcast = label.includes('broadcast');
      agree([
        isBroadcast
          ? [name, () => tf.matMul(inputs()[0]!, inputs()[1]!, transA, transB), 1e-5]
          : grad(name, (x, y) => tf.matMul(x!, y!, transA, transB), inputs, 1e-5),
      ]);
    }
  }
  agree([
    ['matrix times stacked vectors', () => tf.dot(floats([4, 5]), floats([5])), 1e-5],
    ['outer product', () => tf.outerProduct(floats([4]) as never, floats([5]) as never)],
    [
      'einsum',
      () => [
        tf.einsum('bij,bjk->bik', X(), floats([3, 5, 2])),
        tf.einsum('bij->bji', X()),
        tf.einsum('ij,ij->', Y(), Y()),
      ],
      1e-5,
    ],
  ]);
});

describe('shape', () => {
  agree([
    grad(
      'reshape',
      (x) => x!.reshape([5, -1]),
      () => [X()],
    ),
    grad(
      'expandDims, squeeze',
      (x) => x!.expandDims(1).expandDims(-1).squeeze([1]),
      () => [X()],
    ),
    grad(
      'transpose',
      (x) => tf.transpose(x!, [2, 0, 1]),
      () => [X()],
    ),
    grad(
      'transpose, default',
      (x) => tf.transpose(x!),
      () => [X()],
    ),
    grad(
      'slice',
      (x) => x!.slice([0, 1, 2], [2, 2, 3]),
      () => [X()],
    ),
    grad(
      'slice to the end',
      (x) => x!.slice([1, 0], [-1, 2]),
      () => [X()],
    ),
    ['slice of nothing', () => X().slice([0, 0, 0], [0, 4, 5])],
    [
      'stridedSlice',
      () => [
        tf.stridedSlice(X(), [0, 0, 0], [3, 4, 5], [1, 2, 2]),
        tf.stridedSlice(X(), [2, 3, 4], [-4, -5, -6], [-1, -2, -1]),
        tf.stridedSlice(X(), [1, 0], [2, 3], [1, 1], 0, 0, 0, 0, 1),
        tf.stridedSlice(Y(), [0, 1], [4, 4], [1, 1], 1, 2),
      ],
    ],
    [
      'stridedSlice with negative ends',
      () => [tf.stridedSlice(Y(), [-1, -2], [-4, -5], [-1, -1]), tf.stridedSlice(Y(), [0, -3], [-1, -1], [2, 1])],
    ],
    grad(
      'concat',
      (a, b, c) => tf.concat([a!, b!, c!], 1),
      () => [X(), floats([3, 2, 5], 4), P()],
    ),
    grad(
      'concat, last axis',
      (a, b) => tf.concat([a!, b!], -1),
      () => [X(), P()],
    ),
    grad(
      'stack',
      (a, b) => tf.stack([a!, b!], 1),
      () => [X(), P()],
    ),
    grad(
      'stack, last',
      (a, b) => tf.stack([a!, b!], 3),
      () => [X(), P()],
    ),
    grad(
      'unstack',
      (x) => tf.unstack(x!, 1)[2]!,
      () => [X()],
    ),
    grad(
      'split',
      (x) => tf.split(x!, [1, 4], 2)[1]!,
      () => [X()],
    ),
    ['split into equal parts', () => tf.split(X(), 2, 1)],
    grad(
      'tile',
      (x) => x!.tile([1, 2, 3]),
      () => [X()],
    ),
    grad(
      'tile of ones is a broadcast',
      (x) => x!.tile([2, 1, 3]),
      () => [floats([1, 4, 1])],
    ),
    grad(
      'broadcastTo',
      (x) => tf.broadcastTo(x!, [3, 4, 5]),
      () => [floats([4, 1])],
    ),
    grad(
      'pad',
      (x) =>
        tf.pad(
          x!,
          [
            [0, 1],
            [1, 0],
            [2, 2],
          ],
          1.5,
        ),
      () => [X()],
    ),
    grad(
      'mirrorPad reflect',
      (x) =>
        tf.mirrorPad(
          x!,
          [
            [1, 2],
            [0, 0],
            [2, 1],
          ],
          'reflect',
        ),
      () => [X()],
    ),
    grad(
      'mirrorPad symmetric',
      (x) =>
        tf.mirrorPad(
          x!,
          [
            [1, 2],
            [3, 0],
            [2, 1],
          ],
          'symmetric',
        ),
      () => [X()],
    ),
    grad(
      'reverse',
      (x) => tf.reverse(x!, [0, 2]),
      () => [X()],
    ),
    ['depthToSpace', () => tf.depthToSpace(floats([2, 3, 4, 8]) as never, 2)],
    [
      'int32 and bool',
      () => [
        I().transpose(),
        B().reshape([5, 12]),
        tf.concat([I(), I()], 0),
        tf.pad(
          I(),
          [
            [0, 1],
            [1, 0],
            [0, 0],
          ],
          7,
        ),
        tf.reverse(I(), 1),
        tf.tile(B(), [1, 2, 1]),
        B().slice([1, 0, 0], [1, 2, 2]),
        tf.stack([J(), J()]),
      ],
    ],
    [
      'empty',
      () => [tf.zeros([0, 3]).add(1), tf.concat([tf.zeros([0, 3]), tf.ones([2, 3])], 0), tf.zeros([0, 3]).sum(0)],
    ],
  ]);
});

describe('gather and scatter', () => {
  const at = (): Tensor => tf.tensor([2, 0, 2, 1], undefined, 'int32');
  agree([
    grad(
      'gather',
      (x) => tf.gather(x!, at()),
      () => [X()],
    ),
    grad(
      'gather, axis 1',
      (x) => tf.gather(x!, at(), 1),
      () => [X()],
    ),
    grad(
      'gather, indices of rank 2',
      (x) => tf.gather(x!, at().reshape([2, 2])),
      () => [Y()],
    ),
    [
      'gather with batch axes',
      () => [tf.gather(X(), integers([3, 2], 0, 4), 1, 1), tf.gather(X(), integers([3, 2], 0, 5), 2, 1)],
    ],
    ['gather of int32', () => tf.gather(I(), at())],
    [
      'gatherND',
      () => [
        tf.gatherND(
          X(),
          tf.tensor(
            [
              [1, 2],
              [0, 1],
            ],
            undefined,
            'int32',
          ),
        ),
        tf.gatherND(X(), integers([2, 3, 3], 0, 3)),
      ],
    ],
    [
      'scatterND',
      () => [
        tf.scatterND(tf.tensor([[1], [3], [1]], undefined, 'int32'), floats([3, 2]), [5, 2]),
        tf.scatterND(tf.tensor([[1], [3]], undefined, 'int32'), tf.tensor([4, 5], undefined, 'int32'), [5]),
      ],
    ],
    [
      'tensorScatterUpdate',
      () => tf.tensorScatterUpdate(Y(), tf.tensor([[1], [3]], undefined, 'int32'), floats([2, 5], 8)),
    ],
    grad(
      'unsortedSegmentSum',
      (x) => tf.unsortedSegmentSum(x!, tf.tensor([2, 0, 2], undefined, 'int32') as never, 4),
      () => [X()],
      1e-5,
    ),
    [
      'unsortedSegmentSum drops outsiders',
      () => tf.unsortedSegmentSum(X(), tf.tensor([-1, 7, 1], undefined, 'int32') as never, 4),
    ],
    [
      'oneHot',
      () => [
        tf.oneHot(tf.tensor([1, 0, 3, 9, -1], undefined, 'int32'), 4),
        tf.oneHot(tf.tensor([[1], [2]], undefined, 'int32'), 3, 0.9, 0.1, 'float32'),
      ],
    ],
    [
      'create',
      () => [
        tf.fill([2, 3], 1.5),
        tf.fill([2], 3, 'int32'),
        tf.zerosLike(I()),
        tf.onesLike(B()),
        tf.range(0, 5),
        tf.range(5, -4, -2, 'int32'),
        tf.range(0, 1, 0.1),
        tf.linspace(-1, 2, 7),
        tf.eye(3),
      ],
      1e-5,
    ],
  ]);
});

describe('compositions', () => {
  agree([
    grad(
      'softmax',
      (x) => tf.softmax(x!),
      () => [X()],
      1e-5,
    ),
    grad(
      'logSoftmax',
      (x) => tf.logSoftmax(x!),
      () => [X()],
      1e-5,
    ),
    grad(
      'batchNorm',
      (x) => tf.batchNorm(x!, floats([5]), positives([5]), floats([5], 2), positives([5], 4), 1e-3),
      () => [X()],
      1e-5,
    ),
    grad(
      'standardise',
      (x) => {
        const { mean, variance } = tf.moments(x!, -1, true);
        return x!.sub(mean).div(variance.add(1e-3).sqrt());
      },
      () => [X()],
      1e-5,
    ),
    [
      'losses',
      () => [
        tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor([1, 2, 0], undefined, 'int32'), 4).toFloat(), floats([3, 4])),
        tf.losses.meanSquaredError(X(), P()),
        tf.losses.huberLoss(X(), P()),
      ],
      1e-5,
    ],
  ]);
});

/** Multiples of a half: operands offset by a quarter are never close to equal. */
const halves = (x: Tensor): Tensor => x.mul(2).round().div(2);

/** Gradients that TensorFlow.js lacks or gets wrong on every backend: checked against differences. */
describe('gradients mended', () => {
  const rows: [string, (x: Tensor) => Tensor, () => Tensor][] = [
    ['maximum, broadcast operand', (x) => tf.maximum(halves(X()), x), () => halves(floats([5], 21)).add(0.25)],
    ['minimum, broadcast operand', (x) => tf.minimum(halves(X()), x), () => halves(floats([4, 1], 22)).add(0.25)],
    ['squaredDifference, broadcast operand', (x) => tf.squaredDifference(x, X()), () => floats([1, 5], 23)],
    ['cumsum, first axis', (x) => tf.cumsum(x, 0), X],
    ['cumsum, exclusive and reversed', (x) => tf.cumsum(x, 1, true, true), X],
    ['stridedSlice', (x) => tf.stridedSlice(x, [0, 3], [3, 0], [2, -2]), Y],
    [
      'gatherND',
      (x) =>
        tf.gatherND(
          x,
          tf.tensor(
            [
              [1, 2],
              [0, 1],
              [1, 2],
            ],
            undefined,
            'int32',
          ),
        ),
      Y,
    ],
  ];
  for (const name of ['cpu', 'onnx'] as const) {
    test.each(rows)(`%s (${name})`, async (_, f, input) => {
      await engine.use(name);
      tf.tidy(() => {
        const x = input();
        const weights = floats(f(x).shape, 77);
        const value = (t: Tensor): Tensor => f(t).mul(weights).sum();
        const gradient = tf.grad(value)(x).dataSync();
        const at = x.dataSync();
        const differences = Array.from(at, (_, i) => {
          const moved = (by: number): number => {
            const copy = Float32Array.from(at);
            copy[i]! += by;
            return value(tf.tensor(copy, x.shape)).dataSync()[0]!;
          };
          return (moved(0.01) - moved(-0.01)) / 0.02;
        });
        expect(gradient).toBeAllClose(differences, { atol: 2e-3, rtol: 2e-3 });
      });
    });
  }
});
