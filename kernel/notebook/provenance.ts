/** Where a notebook's outputs come from: versions, engine, seeds and weights, stored in its metadata. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { KernelClient } from '../client/client.ts';
import type { Json } from '../protocol/wire.ts';
import { cellText, type Notebook } from './document.ts';
import type { ParameterValue } from './parameters.ts';

export interface Provenance {
  /** When the run ended, in ISO 8601. */
  ran: string;
  /** Of this package, of Node.js and of what computes. */
  versions: Record<string, string>;
  platform: string;
  /** The engine's own report; null where the notebook uses none. */
  engine: unknown;
  parameters: Record<string, ParameterValue>;
  /** Values of the seeds that the code gives, by the expressions that name them. */
  seeds: Json;
  /** SHA-256 of the shipped weights, by file; empty where the notebook uses none. */
  weights: Record<string, string>;
  /** SHA-256 of the code cells that ran. */
  source: string;
}

/** Key of the provenance in a notebook's metadata. */
export const PROVENANCE_KEY = 'reward_forcing';
const COMPUTING = ['onnxruntime-node', '@tensorflow/tfjs', 'tslab', 'sharp'];
const ENGINE_USED = /\b(engine|model|sampler|reward|train|evaluate|study|tf)\./;
const WEIGHTS_USED = /\bstudy\./;
/** `const seed = …`, `{ seed: recipe.seed }`, `recipe.seed`, `random.key(7)`. */
const SEEDS = [
  /\b(?:const|let|var)\s+(\w*[sS]eed)\s*[=:]/g,
  /\bseed:\s*([\w.]+)/g,
  /\b((?:\w+\.)+seed)\b/g,
  /\brandom\.key\(([\w.]+)\)/g,
];

/** Asks the kernel of a finished run, and looks at the package at `root`. */
export async function readProvenance(
  notebook: Notebook,
  kernel: KernelClient,
  root: string,
  parameters: Record<string, ParameterValue> = {},
): Promise<Provenance> {
  const code = notebook.cells.filter((cell) => cell.cell_type === 'code').map(cellText);
  const text = code.join('\n');
  const { engine = null } = await valuesOf(kernel, ENGINE_USED.test(text) ? ENGINE : {});
  return {
    ran: new Date().toISOString(),
    versions: versions(root),
    platform: `${process.platform}-${process.arch}`,
    engine,
    parameters,
    seeds: await seedsOf(text, kernel),
    weights: WEIGHTS_USED.test(text) ? checksums(join(root, 'data', 'study')) : {},
    source: sha256(text),
  };
}

async function seedsOf(text: string, kernel: KernelClient): Promise<Json> {
  const named = SEEDS.flatMap((pattern) => [...text.matchAll(pattern)].map(([, expression]) => expression as string));
  const values = await valuesOf(kernel, Object.fromEntries(named.sort().map((expression) => [expression, expression])));
  return Object.fromEntries(Object.entries(values).filter(([, value]) => ['number', 'string'].includes(typeof value)));
}

const ENGINE = { engine: 'engine.report()' };

/** JSON values of expressions; those that fail are left out. */
async function valuesOf(kernel: KernelClient, expressions: Record<string, string>): Promise<Json> {
  const asJson = Object.entries(expressions).map(([name, expression]) => [
    name,
    `({ [Symbol.for('Jupyter.display')]: () => ({ 'application/json': ${expression} }) })`,
  ]);
  const { reply } = await kernel.execute('', { silent: true, user_expressions: Object.fromEntries(asJson) });
  const answers = (reply['user_expressions'] ?? {}) as Record<string, { status: string; data?: Json }>;
  const good = Object.entries(answers).filter(([, { status }]) => status === 'ok');
  return Object.fromEntries(good.map(([name, { data }]) => [name, data?.['application/json']]));
}

function versions(root: string): Record<string, string> {
  const own = versionIn(root) ?? 'unknown';
  const packages = COMPUTING.map((name) => [name, versionOf(name)]);
  const found = packages.filter(([, version]) => version !== null);
  return { 'reward-forcing': own, node: process.versions.node, ...Object.fromEntries(found) };
}

/** Of a package as this one finds it: beside it, above it, or among what it carries. */
function versionOf(name: string): string | null {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const folder = folders.map((path) => join(path, name)).find((path) => existsSync(join(path, 'package.json')));
  return folder === undefined ? null : versionIn(folder);
}

function versionIn(folder: string): string | null {
  const file = join(folder, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : null;
}

function checksums(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  return Object.fromEntries(files.map((name) => [name, sha256(readFileSync(join(folder, name)))]));
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
