/** Trajectories on disk and in memory. */
import { appendFile, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, openSafetensors, writeAtomic, writeSafetensors } from '../../io/index.ts';
import { ifAbsent, toFloat16 } from '../../io/internal.ts';

/** How a trajectory was made: one line of the store's index. */
export interface TrajectoryRecord {
  /** Name within the store, also of its file. */
  id: string;
  prompt: string;
  seed: number | string;
  /** Which network made it, for instance a checkpoint's checksum. */
  teacher: string;
  shift: number;
  guidanceScale: number;
  steps: number;
}

export interface StoredTrajectory {
  /** Half- or single-precision states [M, F, H, W, C]. */
  states: HostTensor;
  sigmas: Float64Array;
}

/** Trajectories by their ids. */
export interface TrajectoryStore {
  /** Where they are: a path, or `memory`. */
  readonly folder: string;
  /** Finished trajectories, in the order in which they were added. */
  records(): readonly TrajectoryRecord[];
  has(id: string): boolean;
  /** Writes a trajectory, then its line: an id in the index always has a whole file. */
  add(record: TrajectoryRecord, states: HostTensor, sigmas: Float64Array): Promise<void>;
  read(id: string): Promise<StoredTrajectory>;
}

/** A trajectory store that lives as long as the process; states keep their precision. */
export function memoryTrajectories(): TrajectoryStore {
  const all = new Map<string, { record: TrajectoryRecord } & StoredTrajectory>();
  return {
    folder: 'memory',
    records: () => [...all.values()].map(({ record }) => record),
    has: (id) => all.has(id),
    add: async (record, states, sigmas) => {
      checkRecord(record, all, states, sigmas);
      all.set(record.id, { record, states, sigmas });
    },
    read: async (id) => all.get(id) ?? absent('memory', id, all.size),
  };
}

/**
 * Opens or makes a trajectory store in a folder: one safetensors file each (`states`, `sigmas`) and index.jsonl; a line
 * that an interrupted run left half written is dropped. States are stored in half precision, as CausVid stores them.
 */
export async function openTrajectories(folder: string): Promise<TrajectoryStore> {
  await mkdir(folder, { recursive: true });
  const index = join(folder, 'index.jsonl');
  const records = await readIndex(index);
  const byId = new Map(records.map((record) => [record.id, record]));
  const file = (id: string): string => join(folder, `${id}.safetensors`);
  return {
    folder,
    records: () => [...byId.values()],
    has: (id) => byId.has(id),
    async add(record, states, sigmas) {
      checkRecord(record, byId, states, sigmas);
      const entries: [string, HostTensor][] = [
        ['states', halved(states)],
        ['sigmas', { dtype: 'float64', shape: [sigmas.length], data: sigmas }],
      ];
      await writeSafetensors(file(record.id), entries, { prompt: record.prompt, teacher: record.teacher });
      await appendLine(index, JSON.stringify(record));
      byId.set(record.id, record);
    },
    async read(id) {
      if (!byId.has(id)) absent(folder, id, byId.size);
      const tensors = await openSafetensors(file(id));
      return { states: await tensors.read('states'), sigmas: (await tensors.read('sigmas')).data as Float64Array };
    },
  };
}

function absent(folder: string, id: string, others: number): never {
  throw new RangeError(`${folder} holds no trajectory "${id}" (${others} others)`);
}

/** Lines of the index; a torn last line is cut off the file so that appending goes on cleanly. */
async function readIndex(path: string): Promise<TrajectoryRecord[]> {
  const text = await readFile(path, 'utf8').catch(ifAbsent(''));
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) await writeAtomic(path, whole);
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TrajectoryRecord);
}

async function appendLine(path: string, line: string): Promise<void> {
  await appendFile(path, `${line}\n`);
  const file = await open(path, 'r');
  await file.sync().finally(() => file.close());
}

function halved(states: HostTensor): HostTensor {
  if (states.dtype !== 'float32') return states;
  return { dtype: 'float16', shape: states.shape, data: toFloat16(states.data as Float32Array) };
}

function checkRecord(
  { id }: TrajectoryRecord,
  known: ReadonlyMap<string, unknown>,
  states: HostTensor,
  sigmas: Float64Array,
): void {
  if (!/^[\w.-]+$/.test(id)) throw new RangeError(`id: wanted letters, digits, "_", "-" and ".", received "${id}"`);
  if (known.has(id)) throw new RangeError(`trajectory "${id}" is in the store already; ask has(id) first`);
  if (states.shape[0] === sigmas.length) return;
  throw new RangeError(`states: first axis has ${states.shape[0]} states, but ${sigmas.length} sigmas are given`);
}
