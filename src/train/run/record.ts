/**
 * What a run folder records of a run: its settled settings as data, nets as configuration and checksum, and whatever of
 * the environment decides bits. Two runs with equal records and equal start weights give equal results.
 */
import { isDeepStrictEqual } from 'node:util';
import { current, report } from '../../engine/index.ts';
import { tf } from '../../engine/tf.ts';
import { Net, Weights } from '../../nn/index.ts';
import { shown } from '../ingredients.ts';
import type { Learner } from '../optimiser/learner.ts';

/** Anything that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** A record, as `config.json` holds it. */
export type RunRecord = { readonly [key: string]: Json | undefined };

/** Number of the record's form; 0.1 wrote none. */
export const recordFormat = 2;

/** Engine, threads and versions: the same program gives other bits on others. */
export function environment(): { engine: string; threads: number; device: string; versions: Record<string, string> } {
  if (current() === null) {
    const versions = { tfjs: tf.version_core, node: process.version };
    return { engine: `${tf.getBackend()}, not started by engine.use`, threads: 1, device: '', versions };
  }
  const { name, threads, device, versions } = report();
  return { engine: name, threads, device, versions: { ...versions } };
}

/** Settings with the nets in them by path: `teacher`, `referenceModel.net`. */
export function* netsIn(value: unknown, path: string = ''): Generator<[path: string, net: Net<unknown>], void> {
  if (value instanceof Net) return yield [path, value];
  if (!isPlain(value)) return;
  for (const [key, inner] of Object.entries(value)) yield* netsIn(inner, path ? `${path}.${key}` : key);
}

/** Throws if weights that are trained stand in for a frozen network, too. */
export function checkSharing(settings: object, learners: readonly Learner[]): void {
  for (const { name, net } of learners) {
    for (const [path, other] of netsIn(settings)) {
      if (path === name) continue;
      if (other.weights === net.weights) {
        throw new TypeError(
          `${path}: its weights are those of ${name}, which is trained: give a copy, ${path}.clone()`,
        );
      }
      if (liesOver(other.weights, net.weights)) {
        throw new TypeError(
          `${path}: it is a LoRA over the weights of ${name}, which is trained: give ${name}.clone()`,
        );
      }
    }
  }
}

/** Whether weights are read through to others. */
function liesOver({ overlay }: Weights, beneath: Weights): boolean {
  if (!(overlay?.base instanceof Weights)) return false;
  return overlay.base === beneath || liesOver(overlay.base, beneath);
}

/** The settings of a stage as data; learners' nets without the checksum of what is trained, which `starts` hold. */
export async function recordOf(settings: object, learners: readonly Learner[]): Promise<RunRecord> {
  const facts = new Map<unknown, Json | undefined>();
  for (const [path, net] of netsIn(settings)) {
    const learner = learners.find(({ name }) => name === path);
    const about = { architecture: net.architecture.name, config: dataOf(net.config, facts) };
    if (learners.some(({ average }) => average?.net === net)) facts.set(net, undefined);
    else if (!learner) facts.set(net, { ...about, sha256: await net.checksum() });
    else facts.set(net, { ...about, frozen: (await learner.checksums()).frozen });
  }
  return dataOf(settings, facts) as RunRecord;
}

export async function startsOf(learners: readonly Learner[]): Promise<Record<string, string>> {
  const starts: Record<string, string> = {};
  for (const learner of learners) starts[learner.name] = (await learner.checksums()).trained;
  return starts;
}

/** Values as data: nets by their facts, judges by their `info`, other things with methods by their `id`. */
function dataOf(value: unknown, facts: ReadonlyMap<unknown, Json | undefined>): Json | undefined {
  if (facts.has(value)) return facts.get(value);
  if (typeof value === 'function' || value === undefined) return undefined;
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
  if (Array.isArray(value)) return value.map((item) => dataOf(item, facts) ?? null);
  if (typeof value !== 'object' || value === null) return value as Json;
  const { info, id } = value as { info?: object; id?: string };
  if (!isPlain(value)) return info ? { info: dataOf(info, facts) } : { id: id ?? null };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, dataOf(inner, facts)]));
}

/** Whether a value is data through and through at its own level: an object of which no property is a function. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return false;
  const isSettings = Object.getPrototypeOf(value) === Object.prototype;
  return isSettings && !('info' in value) && !['encode', 'score'].some((method) => method in value);
}

/** Where two records differ: `reward.info.std: 1 there, 2 here`. */
export function differences(there: Json | undefined, here: Json | undefined, path: string = ''): string[] {
  if (isDeepStrictEqual(there, here)) return [];
  if (!isRecord(there) || !isRecord(here)) return [`${path}: ${brief(there)} there, ${brief(here)} here`];
  const keys = new Set([...Object.keys(there), ...Object.keys(here)]);
  return [...keys].flatMap((key) => differences(there[key], here[key], path ? `${path}.${key}` : key));
}

function isRecord(value: Json | undefined): value is RunRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value for a message; checksums by their first letters. */
export function brief(value: Json | undefined): string {
  const isChecksum = typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
  return isChecksum ? `${value.slice(0, 12)}…` : value === undefined ? 'nothing' : shown(value);
}
