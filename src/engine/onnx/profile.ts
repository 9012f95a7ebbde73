/** Runs a function on sessions that ONNX Runtime profiles, and adds up the time of each operator. */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Profile } from '../engine.ts';
import { ProfileStacks } from '../profile-stacks.ts';
import { tf } from '../tf.ts';
import type { Observer, Recorder } from './recorder.ts';
import { SessionCache } from './session-cache.ts';

/** An event of ONNX Runtime's trace; `dur` is in microseconds. */
interface TraceEvent {
  readonly cat: string;
  readonly dur: number;
  readonly name: string;
  readonly args?: { readonly op_name?: string };
}

/** While it watches, compiled functions run as they are, so that the profile sees their operations. */
const onlooker: Observer = { flushed: () => undefined, refused: () => undefined };

function readEvents(file: string): TraceEvent[] {
  const events = JSON.parse(readFileSync(file, 'utf8')) as TraceEvent[];
  rmSync(file);
  return events;
}

/** Node names begin with the kernel that recorded them: see proto.ts. */
function addUp(events: readonly TraceEvent[]): ProfileStacks {
  const stacks = new ProfileStacks();
  for (const { cat, dur, name, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    stacks.add([name.split('/')[0]!, args?.op_name ?? name], dur / 1000);
  }
  return stacks;
}

/** Profiles one run of `work` on graphs compiled anew, which shows as `compile`. Tensors that it makes are disposed of. */
export function profileWork(recorder: Recorder, work: () => void): Profile {
  const { runtime, sessions: usual } = recorder;
  const run = (): number => {
    const start = performance.now();
    tf.tidy(() => {
      work();
      recorder.flush();
    });
    return performance.now() - start;
  };
  recorder.flush();
  recorder.sessions = new SessionCache(runtime, recorder.operations, recorder.constants, Number.POSITIVE_INFINITY);
  recorder.observer = onlooker;
  runtime.profileNewSessions(join(tmpdir(), `reward-forcing-${process.pid}`));
  try {
    const wallMs = run();
    const { compileMs } = recorder.sessions;
    const events = recorder.sessions.sessions().flatMap((session) => readEvents(runtime.endProfile(session)));
    const stacks = addUp(events);
    if (compileMs > 0) stacks.add(['compile'], compileMs);
    return stacks.toProfile(wallMs);
  } finally {
    runtime.profileNewSessions(null);
    recorder.sessions.clear();
    recorder.sessions = usual;
    recorder.observer = null;
  }
}
