/** The specs that an engine is known to fail, one by one, with the reason: known-failures.json. */
import { readFileSync } from 'node:fs';

/** Engine -> reason -> full names of specs. */
type KnownFailures = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** Full name of a spec -> why it is known to fail on this engine. */
export function knownFailures(engine: string): Map<string, string> {
  const all = JSON.parse(readFileSync(new URL('known-failures.json', import.meta.url), 'utf8')) as KnownFailures;
  const entries = Object.entries(all[engine] ?? {});
  return new Map(entries.flatMap(([reason, names]) => names.map((name) => [name, reason] as const)));
}
