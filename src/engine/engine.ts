/**
 * What an engine owes: a TensorFlow.js backend of its name, runs of what it may have put off, replays of a function when
 * it can, and a word on what it is and did. It knows tensors, kernels and memory; it must not know models, samplers,
 * rewards or training. One folder per engine, whose index.ts describes it and loads nothing; select.ts lists them.
 *
 * Engines that run whole graphs (onnx) get everything between TensorFlow.js and their library from lazy/: kernels write
 * nodes of one table of operators (graph/operators.ts), and the engine brings a `GraphRuntime` that compiles and runs
 * them. Engines that compute at once take compile and profile from eager.ts.
 */

/** Options that every engine takes. */
export interface CommonOptions {
  /** `finite`: each operation is run at once and the first that makes a NaN or an infinity throws. Slow. */
  check?: 'finite';
}

/** What an engine can do; asked, not guessed from its name. */
export interface Capabilities {
  /** What it computes on. */
  readonly device: 'cpu' | 'gpu';
  /** Arithmetic of float tensors that it offers. */
  readonly precisions: readonly Precision[];
  /** How many devices it computes on. */
  readonly devices: number;
  /** Whether it copies the arrays that tensors are made from, so that one array can serve for all. */
  readonly copiesUploads: boolean;
  /** Whether `compile` replays functions. */
  readonly compiles: boolean;
}

/**
 * Arithmetic of float tensors: all in float32, or the operands of matrix products, convolutions and attention in
 * bfloat16 with sums in float32. Tensors are float32 in both. Only the xla engine has bf16: the processor kernels of ONNX
 * Runtime have no products in it on x86, where AMX serves int8 alone.
 */
export type Precision = 'float32' | 'bf16';

/** What an engine that runs graphs has done so far. */
export interface GraphReport {
  /** Graphs compiled, and the time that took. */
  readonly compiles: number;
  readonly compileMs: number;
  /** Compiled graphs kept for the next time they are recorded. */
  readonly kept: number;
  /** Graphs run, operations recorded and not run yet. */
  readonly runs: number;
  readonly pending: number;
}

/** What an engine is and what it has done so far. */
export interface EngineReport {
  readonly name: string;
  /** Where it computes, for example `cpu (linux x64)`. */
  readonly device: string;
  readonly threads: number;
  readonly precision: Precision;
  readonly versions: Readonly<Record<string, string>>;
  /** Bytes of tensor data held now. */
  readonly memoryBytes: number;
  /** Of engines that run graphs. */
  readonly graphs?: GraphReport;
  /** Kernels that the engine lacks and that ran on the reference engine instead, with their number of calls. */
  readonly fallbacks: Readonly<Record<string, number>>;
}

/** A function that computes on tensors. */
export type TensorFunction<A extends readonly unknown[], R> = (...args: A) => R;

/** How a compiled function has run so far. */
export interface CompileStatus {
  /** Calls that replayed a plan, and calls that ran the function. */
  readonly replayed: number;
  readonly recorded: number;
  readonly plans: number;
  /** Why the last call that ran the function made no plan; null when it did or when nothing stands against it yet. */
  readonly reason: string | null;
}

/** A function made by `compile`. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: A): R;
  status(): CompileStatus;
  /** Drops the plans and the memory that they hold. */
  dispose(): void;
}

/** Time of one kind of operation during a profile. */
export interface ProfileRow {
  readonly operation: string;
  readonly calls: number;
  readonly ms: number;
}

/** Time of one chain of calls: a kernel of TensorFlow.js, then what it is made of. */
export interface ProfileStack {
  readonly path: readonly string[];
  readonly calls: number;
  /** Without what it calls in turn. */
  readonly ms: number;
}

/** Where the time of a function went, the longest first. */
export interface Profile {
  readonly wallMs: number;
  /** By the innermost operation. */
  readonly operations: readonly ProfileRow[];
  /** By the whole chain of calls, as a flame graph wants it: `show.profile` draws it. */
  readonly stacks: readonly ProfileStack[];
}

/** A started engine. There is one of each name in a process. */
export interface Engine {
  readonly capabilities: Capabilities;
  /** What its options came to at the first use, by name; they hold for the process. */
  readonly settings: Readonly<Record<string, unknown>>;
  flush(): void;
  profile(work: () => void): Profile;
  report(): EngineReport;
  compile<A extends readonly unknown[], R>(fn: TensorFunction<A, R>): Compiled<A, R>;
}

/** What the value of an option must be: a whole number of at least 1, true or false, a path, or a `Precision`. */
export type OptionKind = 'threads' | 'count' | 'flag' | 'folder' | 'file' | 'precision';

/** An engine as it describes itself. Nothing is loaded before `start`. */
export interface EngineDefinition<Name extends string, Options> {
  /** Its name, which is that of its TensorFlow.js backend, too. */
  readonly name: Name;
  readonly description: string;
  /** The options that it takes beside the common ones. */
  readonly options: { readonly [K in keyof Options]-?: OptionKind };
  /** Looks for what it needs, without loading it. Throws with what is missing and the command that installs it. */
  find(): void;
  /** Loads its library and registers its backend. */
  start(options: Options): Promise<Engine>;
}
