/**
 * The causal 3x3x3 convolution of a small video autoencoder with all its gradients, on the onnx engine against PyTorch
 * eager (peers/conv.py), taken in turn.
 */
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/index.ts';
import type { BenchOptions } from './main.ts';
import { type Peer, startPeer } from './peer.ts';
import { peerSteps, takeTurns, timed } from './turns.ts';

type Shape = readonly [batch: number, frames: number, height: number, width: number, inputs: number, outputs: number];

const shapes: readonly Shape[] = [
  [8, 9, 32, 32, 8, 8],
  [8, 9, 32, 32, 16, 16],
  [8, 9, 16, 16, 32, 32],
  [8, 5, 8, 8, 64, 64],
];
const largeShapes: readonly Shape[] = [[1, 5, 32, 32, 96, 96]];

/** Measures all shapes; see the head of this file. */
export async function benchConv({ threads, rounds, large }: BenchOptions): Promise<Record<string, unknown>[]> {
  await engine.use('onnx', { threads });
  const peer = startPeer('conv.py');
  const rows: Record<string, unknown>[] = [];
  try {
    for (const shape of large ? [...shapes, ...largeShapes] : shapes)
      rows.push(await measure(shape, threads, rounds, peer));
  } finally {
    peer?.stop();
  }
  return rows;
}

async function measure(
  shape: Shape,
  threads: number,
  rounds: number,
  peer: Peer | null,
): Promise<Record<string, unknown>> {
  await peer?.ask({ setup: { shape, threads } });
  const [batch, frames, height, width, inputs, outputs] = shape;
  const sizes = [[batch, frames, height, width, inputs], [outputs, inputs, 3, 3, 3], [outputs]];
  const data = sizes.map((size, i) => tf.tensor(random.key(i).normal(size).data, size));
  const padding: [[number, number], [number, number], [number, number]] = [
    [2, 0],
    [1, 1],
    [1, 1],
  ];
  const value = (...[x, weight, bias]: Tensor[]) => tf.sum(tf.square(engine.conv3d(x!, weight!, bias!, { padding })));
  const gradients = engine.compile((...given: Tensor[]): Tensor[] => tf.grads(value)(given));
  const step = async (): Promise<void> => {
    const made = gradients(...data);
    engine.flush();
    tf.dispose(made);
  };
  const turns = await takeTurns(timed(step), peerSteps(peer), rounds);
  gradients.dispose();
  tf.dispose(data);
  return { shape: shape.join(' x '), ...turns };
}
