/**
 * What all engines that call C libraries share: koffi's settings, which can be made once in a process, and functions by
 * tables of their C types. Pointers travel as plain numbers: user-space addresses fit in 53 bits.
 */
import koffi, { type LibraryHandle } from 'koffi';

export type Pointer = number;

/** Memory of JavaScript lent for a call. */
type Bytes = Uint8Array | Uint32Array | Int32Array | Float32Array | BigInt64Array | BigUint64Array | null;

/** How the words of a table look in JavaScript; every other C type is a number. */
interface JsTypes {
  readonly str: string;
  readonly void: undefined;
  readonly buffer: Bytes;
  /** Receives a pointer. */
  readonly out: [Pointer];
}
type Js<C> = C extends keyof JsTypes ? JsTypes[C] : number;
type Parameters<S> = S extends readonly [unknown, ...infer Rest] ? { -readonly [I in keyof Rest]: Js<Rest[I]> } : never;

/** Functions of a table whose rows are `[result, ...parameters]`. */
export type Bound<Table extends Readonly<Record<string, readonly [string, ...string[]]>>> = {
  readonly [Name in keyof Table]: (...args: Parameters<Table[Name]>) => Js<Table[Name][0]>;
};

/** The type of koffi that a word of a table stands for. */
export function cType(word: string): ReturnType<typeof koffi.out> | string {
  if (word === 'out') return koffi.out(koffi.pointer('uint64_t'));
  return word === 'pointer' ? 'uint64_t' : word === 'buffer' ? 'void *' : word;
}

/** Copies between JavaScript and C; `koffi.view` kept freed memory resident and is refused by some hosts. */
export interface Copies {
  copyIn(target: Pointer, source: Bytes, bytes: number): void;
  copyOut(target: Bytes, source: Pointer, bytes: number): void;
}

export function copiesOf(c: LibraryHandle): Copies {
  return {
    copyIn: c.func('memcpy', 'void', ['uint64_t', 'void *', 'size_t']),
    copyOut: c.func('memmove', 'void', ['void *', 'uint64_t', 'size_t']),
  } as unknown as Copies;
}

/** Memory of C that stays at its address until `free`. */
export interface NativeMemory {
  readonly address: Pointer;
  free(): void;
}

export function allocate(bytes: number): NativeMemory {
  const memory = koffi.alloc('uint8_t', Math.max(8, bytes));
  return { address: Number(koffi.address(memory)), free: () => koffi.free(memory) };
}

/** Libraries already open. koffi unloads a library whose handle is collected, so the handles must live on. */
const libraries: LibraryHandle[] = [];
const stackBytes = 16 << 20;

/** Gives native calls the stack that big libraries need; who maps a file first (src/io/bytes.ts) sets the same. */
export function configureNative(): void {
  const { sync_stack_size } = koffi.config() as { sync_stack_size: number };
  if (sync_stack_size !== stackBytes) koffi.config({ sync_stack_size: stackBytes, sync_heap_size: 2 << 20 });
}

/** Opens a library for the rest of the process. Throws with `fix` when it cannot be loaded. */
export function openLibrary(engine: string, path: string, fix: string): LibraryHandle {
  configureNative();
  try {
    const library = koffi.load(path, { global: engine === 'tensorflow' });
    libraries.push(library);
    return library;
  } catch (cause) {
    throw new Error(`engine ${engine}: cannot load ${path}: ${(cause as Error).message}. ${fix}`, { cause });
  }
}

/**
 * Sets a variable of the environment that C code reads, unless the user has set it. In a worker thread Node's
 * `process.env` is a copy, so the C library sets it, too; Windows has no `setenv`, and there `process.env` must do.
 */
export function presetVariable(c: LibraryHandle, name: string, value: string): void {
  if (process.env[name] !== undefined) return;
  process.env[name] = value;
  if (process.platform !== 'win32') c.func('setenv', 'int', ['str', 'str', 'int'])(name, value, 0);
}
