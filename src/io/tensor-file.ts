/** What files of tensors have in common: a table of names in memory, and tensors that are read when asked for. */
import type { FileHandle } from 'node:fs/promises';
import { openFile, withFile, withOpenFile } from './bytes.ts';
import { type HostTensor, largest } from './host-tensor.ts';
import { quoted } from './json.ts';

/** An open description of a file of tensors: no handle stays open, so there is nothing to close. */
export interface TensorFile<Info> {
  readonly path: string;
  /** Names of all tensors, in the order saved. */
  names(): string[];
  has(name: string): boolean;
  /** What the file says of a tensor: dtype, shape and place. */
  info(name: string): Info;
  /** Reads one tensor: its own bytes only. It lies at the start of `into`, whose values are lost, if that is given and large enough. */
  read(name: string, into?: Uint8Array): Promise<HostTensor>;
  /** Reads `count` rows of the first axis from row `start` on: those bytes only. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
  /**
   * A tensor whose memory is the file: the system reads what is touched, when it is touched, and may drop it again.
   * Strided views are copied; where files cannot be mapped, the tensor is read. The file must not be shortened while
   * the tensor is in use.
   */
  map(name: string): HostTensor;
  /** Reads tensors one after the other, in file order. */
  entries(options?: EntriesOptions): AsyncGenerator<[string, HostTensor]>;
}

/** How tensors are read one after the other. */
export interface EntriesOptions {
  /** Each tensor lies in the memory of the one before, whose values are then lost (default false). */
  readonly reuse?: boolean;
}

/** How a kind of file keeps its tensors. */
interface Format<Info> {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, Info>;
  /** @defaultValue that of the table */
  readonly fileOrder?: Iterable<[string, Info]>;
  /** The error of a name that is not there. */
  refuse(why: string): Error;
  /** An error with the path in front, where it is about the file. */
  explain(error: unknown): unknown;
  /** Bytes that a tensor takes in the file. */
  span(info: Info): number;
  rows(info: Info, start: number, count: number): Info;
  read(file: FileHandle, info: Info, shared?: Uint8Array): Promise<HostTensor>;
  map(file: number, info: Info): HostTensor;
}

/** A file of a format; `read` takes the description of a tensor, too. */
export function tensorFile<Info extends object>(
  format: Format<Info>,
): TensorFile<Info> & { read(tensor: string | Info, into?: Uint8Array): Promise<HostTensor> } {
  const { path, tensors, fileOrder = tensors, explain } = format;
  const info = (name: string): Info => {
    const found = tensors.get(name);
    if (found === undefined) throw format.refuse(`${path}: no tensor ${quoted(name)} among ${tensors.size}`);
    return found;
  };
  const read = (tensor: Info, into?: Uint8Array): Promise<HostTensor> =>
    withFile(path, (file) => format.read(file, tensor, into), explain);
  return {
    path,
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    info,
    read: async (tensor, into) => read(typeof tensor === 'string' ? info(tensor) : tensor, into),
    readRows: async (name, start, count) => read(format.rows(info(name), start, count)),
    map: (name) => {
      const tensor = info(name);
      try {
        return withOpenFile(path, (file) => format.map(file, tensor));
      } catch (error) {
        throw explain(error);
      }
    },
    async *entries({ reuse = false } = {}) {
      const shared = reuse ? new Uint8Array(largest([...tensors.values()].map(format.span))) : undefined;
      const file = await openFile(path);
      try {
        for (const [name, tensor] of fileOrder) yield [name, await format.read(file, tensor, shared)];
      } catch (error) {
        throw explain(error);
      } finally {
        await file.close();
      }
    },
  };
}
