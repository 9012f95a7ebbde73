/** Timing several sides in turn, so that all meet the same machine. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of each step: on the clock, and of processor time over all threads. */
export interface Times {
  ms: number[];
  cpuMs: number[];
}

/** Runs steps and times each. */
export type Steps = (count: number) => Promise<Times>;

/**
 * Best and median step. On one thread the least processor time tells more than the clock when other programs run; on
 * several it counts threads that wait as busy.
 */
export interface Timing {
  bestMs: number;
  medianMs: number;
  cpuMs: number;
}

/** Steps timed one by one; each is `repeat` runs of `step`, and its times are those of one run. */
export function timed(step: () => Promise<void>, repeat: number = 1): Steps {
  return async (count) => {
    const times: Times = { ms: [], cpuMs: [] };
    for (let i = 0; i < count; i++) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      for (let run = 0; run < repeat; run++) await step();
      const { user, system } = process.cpuUsage(before);
      times.ms.push((performance.now() - start) / repeat);
      times.cpuMs.push((user + system) / 1e3 / repeat);
    }
    return times;
  };
}

const turnMs = 300;
const mostSteps = 30;
/** Of steps longer than this the second counts already, and they take one turn instead of all. */
const slowMs = 3000;

/** Steps of a side in one turn: as many as fit into a third of a second, at least one. */
function stepsEachTurn({ ms }: Times): number {
  return Math.max(1, Math.min(mostSteps, Math.round(turnMs / Math.min(...ms))));
}

function isSlow({ ms }: Times): boolean {
  return Math.min(...ms) > slowMs;
}

function add(all: Times, { ms, cpuMs }: Times): void {
  all.ms.push(...ms);
  all.cpuMs.push(...cpuMs);
}

async function warmUp(steps: Steps): Promise<Times> {
  const first = await steps(1);
  return isSlow(first) ? first : steps(3);
}

/** Warms all sides up, then takes turns for `rounds` rounds. */
export async function takeTurns(sides: readonly Steps[], rounds: number): Promise<Timing[]> {
  const counts: number[] = [];
  const all = sides.map((): Times => ({ ms: [], cpuMs: [] }));
  for (const [i, steps] of sides.entries()) {
    const warm = await warmUp(steps);
    counts.push(stepsEachTurn(warm));
    if (isSlow(warm)) add(all[i]!, warm);
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, steps] of sides.entries()) {
      if (round > 0 && isSlow(all[i]!)) continue;
      await sleep(100); // lets the waiting threads of the side before fall asleep
      add(all[i]!, await steps(counts[i]!));
    }
  }
  return all.map(timingOf);
}

function timingOf({ ms, cpuMs }: Times): Timing {
  const sorted = [...ms].sort((a, b) => a - b);
  return {
    bestMs: rounded(sorted[0]!),
    medianMs: rounded(sorted[sorted.length >> 1]!),
    cpuMs: rounded(Math.min(...cpuMs)),
  };
}

/** Three digits are more than a timing is worth. */
export function rounded(x: number): number {
  return Number(x.toPrecision(3));
}
