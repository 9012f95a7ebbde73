/** Time of one piece of work on this engine: XLA fuses operations, so graphs are what can be timed from outside. */
import { ProfileStacks } from '../eager.ts';
import type { Profile } from '../engine.ts';
import type { Recorder } from '../graph/index.ts';
import { tf } from '../tf.ts';
import type { XlaRuntime } from './runtime.ts';

/** Runs `work` and waits for each graph of it: compiling, and running on the device. Tensors that it makes are disposed of. */
export function profileRuns(recorder: Recorder, runtime: XlaRuntime, work: () => void): Profile {
  recorder.flush();
  const stacks = new ProfileStacks();
  const { executables } = recorder;
  const compiledBefore = executables.compileMs;
  runtime.onRun = (ms) => stacks.add(['run'], ms);
  try {
    const start = performance.now();
    tf.tidy(() => {
      work();
      recorder.flush();
    });
    const compileMs = executables.compileMs - compiledBefore;
    if (compileMs > 0) stacks.add(['compile'], compileMs);
    return stacks.toProfile(performance.now() - start);
  } finally {
    runtime.onRun = null;
  }
}
