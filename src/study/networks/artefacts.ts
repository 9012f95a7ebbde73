/** Trained networks of the small scale as files: one safetensors each, with the configuration in its metadata. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostTensor, hostTensor, openSafetensors, toFloat32, writeSafetensors } from '../../io/index.ts';
import { toFloat16 } from '../../io/internal.ts';
import { type Architecture, type Net, type Part, Weights } from '../../nn/index.ts';

/** Names of the networks, in the order in which they are trained. */
export const NETWORKS = [
  'vae',
  'teacher',
  'distilled',
  'ode',
  'reward-forcing',
  'reward',
  'judge',
  'classifier',
] as const;
export type NetworkName = (typeof NETWORKS)[number];

/** Students of phase 2 under other frame supervision: trained for the comparison, kept in the run folder, not shipped. */
export const VARIANTS = { 'reward-random': 'random-per-batch', 'reward-all': 'all' } as const;
export type VariantName = keyof typeof VARIANTS;

/** Anything that `saveArtefact` writes. */
export type ArtefactName = NetworkName | VariantName;

export function artefactPath(folder: string, name: ArtefactName): string {
  return join(folder, `${name}.safetensors`);
}

export function hasArtefact(folder: string, name: ArtefactName): boolean {
  return existsSync(artefactPath(folder, name));
}

/** Writes a network in half precision with its configuration: every later stage starts from what the file holds. */
export async function saveArtefact(
  folder: string,
  name: ArtefactName,
  { weights, config }: Part<object> & { readonly weights: Weights },
  facts: Readonly<Record<string, string>> = {},
): Promise<void> {
  const halves = [...(await weights.toHost())].map(([key, host]) => [key, half(host)] as const);
  await writeSafetensors(artefactPath(folder, name), halves, { ...facts, config: JSON.stringify(config) });
}

function half(host: HostTensor): HostTensor {
  return hostTensor('float16', host.shape, toFloat16(toFloat32(host)));
}

/**
 * Reads a network back, to train or to run; `about` tells its file, the file's SHA-256 and what else it says: scale of a
 * reward, stage, seed.
 *
 * @throws Error with the command that makes it where it is not there, or naming the file whose tensors do not fit.
 */
export async function loadArtefact<Config>(
  folder: string,
  name: ArtefactName,
  architecture: Architecture<Config>,
): Promise<Net<Config>> {
  const path = artefactPath(folder, name);
  if (!existsSync(path)) {
    throw new Error(
      `${path} is missing: "npm run demo -- --from-scratch" trains it, the package ships one in data/study`,
    );
  }
  const file = await openSafetensors(path);
  const { config, ...facts } = Object.fromEntries(file.metadata);
  if (config === undefined)
    throw new Error(`${path} holds no configuration in its metadata: it is not one of the small scale's networks`);
  const weights = await Weights.stream(file.entries(), { trainable: true });
  try {
    return architecture.net(parseConfig<Config>(path, config), weights, { origin: path, sha256: sha256(path), facts });
  } catch (error) {
    weights.dispose();
    throw error;
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
