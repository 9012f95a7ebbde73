/** Timing two sides in turn, so that both meet the same machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Peer } from './peer.ts';

/** Milliseconds of each step: on the clock, and of processor time over all threads. */
export interface Times {
  ms: number[];
  cpuMs: number[];
}

/** Runs steps and times each. */
export type Steps = (count: number) => Promise<Times>;

/**
 * Best and median step of ours, and its ratio to the peer's. `ratioCpu` compares the least processor time: on one
 * thread it tells more than the clock when other programs run; on several it counts threads that wait as busy.
 */
export interface Turns {
  bestMs: number;
  medianMs: number;
  cpuMs: number;
  torchBestMs?: number;
  torchMedianMs?: number;
  torchCpuMs?: number;
  ratioBest?: number;
  ratioMedian?: number;
  ratioCpu?: number;
}

const stepsEachTurn = 4;

/** The steps of a peer that is set up, or none. */
export function peerSteps(peer: Peer | null): Steps {
  return async (count) => (peer ? ((await peer.ask({ steps: count })) as Times) : { ms: [], cpuMs: [] });
}

/** Steps of ours, timed one by one. */
export function timed(step: () => Promise<void>): Steps {
  return async (count) => {
    await sleep(100); // lets the other side's waiting threads fall asleep
    const times: Times = { ms: [], cpuMs: [] };
    for (let i = 0; i < count; i++) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      await step();
      const { user, system } = process.cpuUsage(before);
      times.ms.push(performance.now() - start);
      times.cpuMs.push((user + system) / 1e3);
    }
    return times;
  };
}

/** Warms both sides up, then takes turns for `rounds` rounds. */
export async function takeTurns(ours: Steps, theirs: Steps, rounds: number): Promise<Turns> {
  await ours(stepsEachTurn);
  await theirs(2);
  const all: [Times, Times] = [
    { ms: [], cpuMs: [] },
    { ms: [], cpuMs: [] },
  ];
  for (let round = 0; round < rounds; round++) {
    for (const [side, steps] of [ours, theirs].entries()) {
      const { ms, cpuMs } = await steps(stepsEachTurn);
      all[side]?.ms.push(...ms);
      all[side]?.cpuMs.push(...cpuMs);
    }
  }
  return summary(...all);
}

function summary(ours: Times, theirs: Times): Turns {
  const round = (x: number): number => Math.round(x * 100) / 100;
  const [best, median] = extremes(ours.ms);
  const [cpu] = extremes(ours.cpuMs);
  const own = { bestMs: round(best), medianMs: round(median), cpuMs: round(cpu) };
  if (theirs.ms.length === 0) return own;
  const [torchBest, torchMedian] = extremes(theirs.ms);
  const [torchCpu] = extremes(theirs.cpuMs);
  return {
    ...own,
    ...{ torchBestMs: round(torchBest), torchMedianMs: round(torchMedian), torchCpuMs: round(torchCpu) },
    ...{
      ratioBest: round(best / torchBest),
      ratioMedian: round(median / torchMedian),
      ratioCpu: round(cpu / torchCpu),
    },
  };
}

function extremes(times: number[]): [best: number, median: number] {
  const sorted = [...times].sort((a, b) => a - b);
  return [sorted[0]!, sorted[sorted.length >> 1]!];
}
