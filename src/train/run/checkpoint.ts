import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, readSafetensors, writeAtomic, writeSafetensors } from '../../io/index.ts';
import { ifAbsent, syncFolder } from '../../io/internal.ts';

export interface ManifestFile {
  name: string;
  sizeBytes: number;
  sha256: string;
}

export interface Manifest {
  format: 2;
  step: number;
  stage: string;
  seed: number | string;
  /** Name of the engine that computed it. */
  engine: string;
  /** Versions of Node.js, TensorFlow.js and what the engine runs on. */
  versions: Record<string, string>;
  files: ManifestFile[];
}

/** Tensors of a checkpoint: file name without ending → tensor name → values. */
export type CheckpointTensors = ReadonlyMap<string, ReadonlyMap<string, HostTensor>>;

/** A checkpoint that is incomplete or damaged; the message names the folder and the file. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

export function checkpointName(step: number): string {
  return `step-${step}`;
}

/**
 * Write a checkpoint under `folder/step-N`: into a folder aside, every file synced, then renamed, so that a folder
 * with a final name is always whole. An existing checkpoint of the same step is replaced.
 */
export async function writeCheckpoint(
  folder: string,
  tensors: CheckpointTensors,
  about: Omit<Manifest, 'format' | 'files'>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const aside = join(folder, `.${checkpointName(about.step)}.${randomBytes(6).toString('hex')}.tmp`);
  const final = join(folder, checkpointName(about.step));
  try {
    await mkdir(aside);
    for (const [name, entries] of tensors) await writeSafetensors(join(aside, `${name}.safetensors`), entries);
    const names = [...tensors.keys()].map((name) => `${name}.safetensors`);
    const files = await Promise.all(names.map((name) => describe(aside, name)));
    const manifest: Manifest = { format: 2, ...about, files };
    await writeAtomic(join(aside, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await removeWhole(final);
    await rename(aside, final);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(folder);
  await writeAtomic(join(folder, 'latest'), `${checkpointName(about.step)}\n`);
  return final;
}

async function describe(folder: string, name: string): Promise<ManifestFile> {
  const path = join(folder, name);
  return { name, sizeBytes: (await stat(path)).size, sha256: await sha256(path) };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Take the final name away before deleting, so that a killed deletion leaves nothing half under it. */
async function removeWhole(path: string): Promise<void> {
  const trash = `${path}.${randomBytes(6).toString('hex')}.trash`;
  await rename(path, trash).catch(ifAbsent(undefined));
  await rm(trash, { recursive: true, force: true });
}

/** Steps that have a checkpoint folder, newest first. A folder that does not exist has none. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(ifAbsent([]));
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => b - a);
}

/** Delete all checkpoints but the `keep` newest. */
export async function pruneCheckpoints(folder: string, keep: number): Promise<void> {
  const old = (await checkpointSteps(folder)).slice(keep);
  for (const step of old) await removeWhole(join(folder, checkpointName(step)));
}

/** Rename the (damaged) checkpoints after `step` to `damaged-step-N`, so that they no longer count. */
export async function setAsideAfter(folder: string, step: number): Promise<void> {
  for (const later of (await checkpointSteps(folder)).filter((other) => other > step)) {
    const aside = join(folder, `damaged-${checkpointName(later)}`);
    await rm(aside, { recursive: true, force: true });
    await rename(join(folder, checkpointName(later)), aside);
  }
}

/** Delete what killed writers left aside. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const left = names.filter((name) => /^\.step-\d+\..*\.tmp$|^step-\d+\..*\.trash$/.test(name));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** Manifest of the checkpoint at `path`, its files verified by size and hash. Throws `CheckpointError`. */
export async function verifyCheckpoint(path: string): Promise<Manifest> {
  const manifest = await readManifest(path);
  for (const file of manifest.files) {
    const found = await describe(path, file.name).catch(() => null);
    if (!found) throw new CheckpointError(`${path}: ${file.name} is missing`);
    if (found.sizeBytes !== file.sizeBytes) {
      throw new CheckpointError(`${path}: ${file.name} has ${found.sizeBytes} bytes instead of ${file.sizeBytes}`);
    }
    if (found.sha256 !== file.sha256) throw new CheckpointError(`${path}: ${file.name} is damaged (its hash differs)`);
  }
  return manifest;
}

async function readManifest(path: string): Promise<Manifest> {
  try {
    const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8')) as Manifest;
    if (manifest.format === 2 && Array.isArray(manifest.files)) return manifest;
  } catch (error) {
    throw new CheckpointError(`${path}: manifest.json cannot be read (${(error as Error).message})`);
  }
  throw new CheckpointError(`${path}: manifest.json is of another format, such as that of version 0.1`);
}

/** The newest checkpoint that is whole; `onWarning` hears of each damaged one that is passed over. */
export async function newestCheckpoint(
  folder: string,
  onWarning: (message: string) => void,
): Promise<{ path: string; manifest: Manifest } | null> {
  for (const step of await checkpointSteps(folder)) {
    const path = join(folder, checkpointName(step));
    try {
      return { path, manifest: await verifyCheckpoint(path) };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      onWarning(`${error.message}; going back to the checkpoint before it`);
    }
  }
  return null;
}

/** The tensors of one file of a checkpoint, by its name without ending. */
export async function readCheckpointFile(path: string, name: string): Promise<Map<string, HostTensor>> {
  return readSafetensors(join(path, `${name}.safetensors`));
}
