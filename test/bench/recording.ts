/** What it costs to record an operation and to run it: thousands of small ones, nothing read in between. */
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { rounded } from './turns.ts';

const nodes = 4000;
const rounds = 8;

/** Microseconds to record a node, through TensorFlow.js and by our own part alone; the best of some rounds. */
export async function measureRecording(): Promise<Record<string, unknown>> {
  await engine.use('onnx');
  const x = tf.ones([8]);
  const best = { all: Number.POSITIVE_INFINITY, own: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) {
    best.all = Math.min(
      best.all,
      timed(() => chain(x)),
    );
    best.own = Math.min(
      best.own,
      timed(() => kernels(x)),
    );
  }
  x.dispose();
  return { name: 'recording', kind: 'recording', recordUs: rounded(best.own), withTfjsUs: rounded(best.all) };
}

/** Microseconds a node. */
function timed(work: () => void): number {
  engine.flush();
  const start = performance.now();
  tf.tidy(work);
  const us = ((performance.now() - start) * 1000) / nodes;
  engine.flush();
  return us;
}

function chain(x: Tensor): void {
  let y = x;
  for (let i = 0; i < nodes; i++) y = tf.add(y, x);
}

/** The same nodes by the kernel itself, without TensorFlow.js around it. */
function kernels(x: Tensor): void {
  const { kernelFunc } = tf.getKernel('Add', 'onnx')!;
  const backend = tf.backend();
  let y: unknown = x;
  for (let i = 0; i < nodes; i++) y = kernelFunc({ inputs: { a: y, b: x } as never, backend, attrs: {} });
}
