/** Trained networks as files: one safetensors each, with configuration and facts in its metadata. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostTensor, hostTensor, openSafetensors, toFloat32, writeSafetensors } from '../../io/index.ts';
import { toFloat16 } from '../../io/internal.ts';
import type { Architecture, Net } from '../../nn/index.ts';
import type { FrameChoice } from '../../reward/index.ts';
import type { OutcomeId, World } from '../../world/index.ts';

/** Networks of the method, in the order in which they are trained; the world's judges come after them. */
export const METHOD_NETWORKS = ['vae', 'teacher', 'distilled', 'ode', 'reward-forcing'] as const;

/** A student of phase 2 under other frame supervision: trained for the comparison, kept in the run folder, not shipped. */
export interface Variant {
  /** Of its weights. */
  readonly name: string;
  readonly frames: FrameChoice;
  readonly outcome: OutcomeId;
}

export const VARIANTS: readonly Variant[] = [
  { name: 'reward-first', frames: 'first', outcome: 'phase 2, first frame' },
  { name: 'reward-middle', frames: 'middle', outcome: 'phase 2, middle frame' },
  { name: 'reward-random', frames: 'random-per-batch', outcome: 'phase 2, random frame' },
  { name: 'reward-all', frames: 'all', outcome: 'phase 2, all frames' },
];

/** Names of all networks that a study of a world ships; without a reward there is no phase 2. */
export function networkNames(world: World): string[] {
  const method = METHOD_NETWORKS.filter((name) => name !== 'reward-forcing' || hasReward(world));
  return [...method, ...world.judges.map(({ id }) => id)];
}

/** Whether a world has a reward that phase 2 can climb. */
export function hasReward({ judges }: World): boolean {
  return judges.some(({ id, reward }) => id === 'reward' && reward);
}

export function networkPath(folder: string, name: string): string {
  return join(folder, `${name}.safetensors`);
}

export function hasNetwork(folder: string, name: string): boolean {
  return existsSync(networkPath(folder, name));
}

/** Writes a net in half precision with its configuration: every later stage starts from what the file holds. */
export async function saveNetwork<Config>(
  folder: string,
  name: string,
  { weights, config }: Net<Config>,
  facts: Readonly<Record<string, string>> = {},
): Promise<void> {
  const halves = [...(await weights.toHost())].map(([key, host]) => [key, half(host)] as const);
  await writeSafetensors(networkPath(folder, name), halves, { ...facts, config: JSON.stringify(config) });
}

function half(host: HostTensor): HostTensor {
  return hostTensor('float16', host.shape, toFloat16(toFloat32(host)));
}

/**
 * Reads a net back, with its checksum and facts.
 *
 * @throws Error naming the file that is missing, damaged, or whose tensors do not fit its configuration.
 */
export async function loadNetwork<Config>(
  folder: string,
  name: string,
  architecture: Architecture<Config>,
): Promise<Net<Config>> {
  const path = networkPath(folder, name);
  if (!existsSync(path)) {
    throw new Error(
      `${path} is missing: "npm run demo -- --from-scratch" trains it, the package ships one in data/study`,
    );
  }
  const file = await openSafetensors(path);
  const { config, ...facts } = Object.fromEntries(file.metadata);
  if (config === undefined)
    throw new Error(`${path} holds no configuration in its metadata: it is not one of the small scale's networks`);
  const about = { origin: path, sha256: sha256(path), facts };
  try {
    return await architecture.load(parseConfig<Config>(path, config), file.entries(), { trainable: true, about });
  } catch (error) {
    throw (error as Error).message.includes(path)
      ? error
      : new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function parseConfig<Config>(path: string, text: string): Config {
  try {
    return JSON.parse(text) as Config;
  } catch (error) {
    throw new Error(`${path} has a configuration that is not JSON (${(error as Error).message}): restore the file`);
  }
}

/** SHA-256 of a file in hexadecimal. */
export function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
