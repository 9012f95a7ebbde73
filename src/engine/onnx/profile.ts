/** Runs a function on sessions that ONNX Runtime profiles, and adds up the time of each operator. */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Profile, ProfileRow } from '../engine.ts';
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

function addUp(events: readonly TraceEvent[]): ProfileRow[] {
  const rows = new Map<string, { operation: string; calls: number; ms: number }>();
  for (const { cat, dur, name, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const operation = args?.op_name ?? name;
    const row = rows.get(operation) ?? { operation, calls: 0, ms: 0 };
    rows.set(operation, { operation, calls: row.calls + 1, ms: row.ms + dur / 1000 });
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms);
}

/** Profiles one run of `work`; wallMs includes compiling its graphs anew. Tensors that it makes are disposed of. */
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
    const events = recorder.sessions.sessions().flatMap((session) => readEvents(runtime.endProfile(session)));
    return { wallMs, operations: addUp(events) };
  } finally {
    runtime.profileNewSessions(null);
    recorder.sessions.clear();
    recorder.sessions = usual;
    recorder.observer = null;
  }
}
