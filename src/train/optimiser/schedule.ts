/** A learning rate over time, as data: it is written to a run's configuration. */
export interface RateSchedule {
  /** The full rate. */
  lr: number;
  /** Updates during which the rate rises in a straight line to its value. @defaultValue 0 */
  warmup?: number;
  /** A fall to `final · lr` between two updates. Without it the rate stays. */
  decay?: { kind: 'linear' | 'cosine'; from: number; to: number /** @defaultValue 0 */; final?: number };
}

/**
 * The rate of update `step` (from 1): constant, with warm-up `min(1, step / warmup)`, and with a linear or cosine decay.
 * A plain number is a constant rate.
 */
export function rateAt(schedule: number | RateSchedule, step: number): number {
  if (typeof schedule === 'number') return schedule;
  const { lr, warmup = 0, decay } = schedule;
  const rise = warmup > 0 ? Math.min(1, step / warmup) : 1;
  return lr * rise * (decay ? remaining(decay, step) : 1);
}

function remaining({ kind, from, to, final = 0 }: NonNullable<RateSchedule['decay']>, step: number): number {
  if (!(to > from)) throw new RangeError(`a decay from step ${from} to step ${to} has no length: give to > from`);
  const done = Math.min(1, Math.max(0, (step - from) / (to - from)));
  const left = kind === 'linear' ? 1 - done : 0.5 * (1 + Math.cos(Math.PI * done));
  return final + (1 - final) * left;
}
