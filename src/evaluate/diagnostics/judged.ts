/** One known way to fail, and whether this run shows it. */
export interface Diagnosis {
  readonly symptom: string;
  /** What was compared, in words. */
  readonly measure: string;
  /** The number, and the one it is compared with; null where it was not measured. */
  readonly value: number | null;
  readonly limit: number | null;
  /** `alarm`, `fine`, `note` for what is worth knowing but expected, `not measured` where evidence is absent. */
  readonly state: 'alarm' | 'note' | 'fine' | 'not measured';
  /** Why, with the numbers. */
  readonly reason: string;
  /** What to do about an alarm. */
  readonly advice: string;
}

/** A number with the limit that it is judged by. */
export interface Check {
  symptom: string;
  measure: string;
  advice: string;
  value: number | null | undefined;
  limit: number | null | undefined;
  /** Whether a value above (default) or below the limit is bad. */
  bad?: 'above' | 'below';
  /** What a bad value means: an alarm unless told otherwise. */
  severity?: 'alarm' | 'note';
  wanting: string;
  unit?: (value: number) => string;
}

/** What a number means; without one, what would be needed. */
export function judged(check: Check): Diagnosis {
  const { symptom, measure, advice, wanting, bad = 'above', severity = 'alarm', unit = plain } = check;
  const { value = null, limit = null } = check;
  const known = value !== null && limit !== null && Number.isFinite(value) && Number.isFinite(limit);
  if (!known) {
    return { symptom, measure, value, limit, state: 'not measured', reason: `needs ${wanting}`, advice };
  }
  const isBad = bad === 'above' ? value > limit : value < limit;
  const relation = value > limit ? 'above' : value < limit ? 'below' : 'at';
  const reason = `${measure}: ${unit(value)}, ${relation} the limit of ${unit(limit)}`;
  return { symptom, measure, value, limit, state: isBad ? severity : 'fine', reason, advice };
}

/** Three digits. */
export function plain(value: number): string {
  return value.toPrecision(3);
}

/** A share in percent. */
export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}
