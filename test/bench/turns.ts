/** Timing two sides in turn, so that both meet the same machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Peer } from './peer.ts';

/** Runs steps and says how many milliseconds each took. */
export type Steps = (count: number) => Promise<number[]>;

/** Best and median of both sides; theirs is missing without a peer. */
export interface Turns {
  oursBestMs: number;
  oursMedianMs: number;
  torchBestMs?: number;
  torchMedianMs?: number;
  ratioBest?: number;
  ratioMedian?: number;
}

const stepsEachTurn = 4;

/** The steps of a peer that is set up, or none. */
export function peerSteps(peer: Peer | null): Steps {
  return async (count) => (peer ? ((await peer.ask({ steps: count })) as { ms: number[] }).ms : []);
}

/** Steps of ours, timed one by one. */
export function timed(step: () => Promise<void>): Steps {
  return async (count) => {
    await sleep(100); // lets the other side's waiting threads fall asleep
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await step();
      times.push(performance.now() - start);
    }
    return times;
  };
}

/** Warms both sides up, then takes turns for `rounds` rounds. */
export async function takeTurns(ours: Steps, theirs: Steps, rounds: number): Promise<Turns> {
  await ours(stepsEachTurn);
  await theirs(2);
  const [mine, other]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    mine.push(...(await ours(stepsEachTurn)));
    other.push(...(await theirs(stepsEachTurn)));
  }
  return summary(mine, other);
}

function summary(mine: number[], other: number[]): Turns {
  const round = (x: number): number => Math.round(x * 100) / 100;
  const [best, median] = extremes(mine);
  const ours = { oursBestMs: round(best), oursMedianMs: round(median) };
  if (other.length === 0) return ours;
  const [torchBest, torchMedian] = extremes(other);
  const ratios = { ratioBest: round(best / torchBest), ratioMedian: round(median / torchMedian) };
  return { ...ours, torchBestMs: round(torchBest), torchMedianMs: round(torchMedian), ...ratios };
}

function extremes(times: number[]): [best: number, median: number] {
  const sorted = [...times].sort((a, b) => a - b);
  return [sorted[0]!, sorted[sorted.length >> 1]!];
}
