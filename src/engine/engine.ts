/**
 * What an engine owes: it makes itself the TensorFlow.js backend, runs what it may have put off, replays a function
 * when it can, and says what it did. It knows tensors, kernels and memory; it must not know models, samplers,
 * rewards or training. One folder per engine; nothing is loaded before `use` asks for it.
 */
/** Engines by name. */
export type EngineName = 'onnx' | 'tensorflow' | 'cpu';

/** Options of `use`. Threads and spinning are fixed by the first use in a process. */
export interface EngineOptions {
  /** Threads to compute on. Default: what the machine offers, at most 16. Results are the same at the same number. */
  threads?: number;
  /** Workers spin while they wait: faster steps, a busy core. Default true. */
  spin?: boolean;
  /** `tensorflow`: the folder that holds libtensorflow. Default: found, see src/engine/tensorflow/library.ts. */
  library?: string;
  /** `finite`: each operation is run at once and the first that makes a NaN or an infinity throws. Slow. */
  check?: 'finite';
  /** Recorded operations that force a run. Default 20,000. */
  maxPending?: number;
  /** Compiled graphs kept. Default 256. */
  maxSessions?: number;
}

/** What an engine is and what it has done so far. */
export interface EngineReport {
  readonly name: EngineName;
  /** Where it computes, for example `cpu (linux x64)`. */
  readonly device: string;
  readonly threads: number;
  /**
   * Arithmetic of float tensors. There is no bfloat16: the processor kernels of ONNX Runtime have no products in it on
   * x86, where AMX serves int8 alone.
   */
  readonly precision: 'float32';
  readonly versions: Readonly<Record<string, string>>;
  /** Bytes of tensor data held now. */
  readonly memoryBytes: number;
  /** Graphs compiled, and the time that took. */
  readonly compiles: number;
  readonly compileMs: number;
  /** Compiled graphs kept for the next time they are recorded. */
  readonly sessions: number;
  /** Graphs run, operations recorded and not run yet. */
  readonly runs: number;
  readonly pending: number;
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

/** A started engine. */
export interface Engine {
  readonly name: EngineName;
  flush(): void;
  profile(work: () => void): Profile;
  report(): EngineReport;
  compile<A extends readonly unknown[], R>(fn: TensorFunction<A, R>): Compiled<A, R>;
}
