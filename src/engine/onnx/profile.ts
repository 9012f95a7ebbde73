/** Runs a function on sessions that ONNX Runtime profiles, and adds up the time of each operator. */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProfileStacks } from '../eager.ts';
import type { Profile } from '../engine.ts';
import { Executables, type Observer, type Recorder } from '../graph/index.ts';
import { tf } from '../tf.ts';
import type { OnnxRuntime } from './runtime.ts';

/** An event of ONNX Runtime's trace; `dur` is in microseconds. */
interface TraceEvent {
  readonly cat: string;
  readonly dur: number;
  readonly name: string;
  readonly args?: { readonly op_name?: string };
}

/** While it watches, compiled functions run as they are, so that the profile sees their operations. */
const onlooker: Observer = { flushed: () => undefined, refused: () => undefined, maySpend: () => true };

/** Node names begin with the kernel that recorded them: see encode.ts. */
function addUp(events: readonly TraceEvent[]): ProfileStacks {
  const stacks = new ProfileStacks();
  for (const { cat, dur, name, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    stacks.add([name.split('/')[0]!, args?.op_name ?? name], dur / 1000);
  }
  return stacks;
}

/** Profiles one run of `work` on graphs compiled anew, which shows as `compile`. Tensors that it makes are disposed of. */
export function profileWork(recorder: Recorder, runtime: OnnxRuntime, work: () => void): Profile {
  const usual = recorder.executables;
  recorder.flush();
  const anew = new Executables(runtime, recorder.operations, recorder.constants, Number.POSITIVE_INFINITY);
  recorder.executables = anew;
  recorder.observer = onlooker;
  let wallMs = 0;
  try {
    const files = runtime.profiled(join(tmpdir(), `reward-forcing-${process.pid}`), () => {
      const start = performance.now();
      tf.tidy(() => {
        work();
        recorder.flush();
      });
      wallMs = performance.now() - start;
    });
    const stacks = addUp(files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')) as TraceEvent[]));
    for (const file of files) rmSync(file);
    if (anew.compileMs > 0) stacks.add(['compile'], anew.compileMs);
    return stacks.toProfile(wallMs);
  } finally {
    anew.clear();
    recorder.executables = usual;
    recorder.observer = null;
  }
}
