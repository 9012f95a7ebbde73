/** Choosing an engine and asking it things. Choosing is a call: importing this library computes nothing. */
import { checkFinite } from './check.ts';
import type {
  Compiled,
  CompileStatus,
  Engine,
  EngineName,
  EngineOptions,
  EngineReport,
  Profile,
  TensorFunction,
} from './engine.ts';
import { registerGradients } from './gradients.ts';
import { findRuntime } from './onnx/library.ts';
import { displayedReport } from './report-display.ts';
import { findTensorflow } from './tensorflow/find.ts';
import { tf } from './tf.ts';

/** An engine that `use` can start. */
export interface EngineEntry {
  readonly name: EngineName;
  readonly description: string;
  /** Whether its library is there; `use` may still fail to load it. */
  readonly available: boolean;
  /** Why not, and how to get it; null when available. */
  readonly reason: string | null;
}

/** Looks for what an engine needs, without loading it. Throws with what is missing and the command that installs it. */
const finders: Readonly<Record<EngineName, () => unknown>> = {
  onnx: findRuntime,
  tensorflow: findTensorflow,
  cpu: () => undefined,
};

const starters: Readonly<Record<EngineName, (options: EngineOptions) => Promise<Engine>>> = {
  onnx: async (options) => (await import('./onnx/engine.ts')).startOnnx(options),
  tensorflow: async (options) => (await import('./tensorflow/engine.ts')).startTensorflow(options),
  cpu: async () => (await import('./cpu/engine.ts')).startCpu(),
};

const descriptions: Readonly<Record<EngineName, string>> = {
  onnx: 'records operations and runs whole steps on ONNX Runtime; the default',
  tensorflow: 'runs each operation at once on TensorFlow, on a GPU where it sees one; tfjs-node without its addon',
  cpu: "TensorFlow.js's own interpreter: slow, the reference in tests",
};

let active: Engine | undefined;
/** Checked kernels must see each call, so that nothing is replayed. */
let isChecking = false;

function isEngineName(name: string): name is EngineName {
  return Object.hasOwn(starters, name);
}

/** What `auto` means: the environment variable REWARD_FORCING_ENGINE, or onnx. */
function resolveName(name: string): EngineName {
  const fromEnvironment = process.env['REWARD_FORCING_ENGINE'];
  const wanted = name === 'auto' ? fromEnvironment || 'onnx' : name;
  if (isEngineName(wanted)) return wanted;
  const source = name === 'auto' ? 'REWARD_FORCING_ENGINE' : 'engine.use';
  throw new Error(`${source}: unknown engine '${wanted}'; use one of ${Object.keys(starters).join(', ')}, auto`);
}

/**
 * Starts an engine and makes it the one that tensors are computed on. `auto` takes REWARD_FORCING_ENGINE if set,
 * else onnx. Tensors made before stay where they are and move over when an operation of the new engine uses them.
 * `check: 'finite'` names the first operation that makes a NaN or an infinity, until the next `use` of the engine.
 * Throws with the command that helps when something is missing.
 */
export async function use(name: EngineName | 'auto', options: EngineOptions = {}): Promise<EngineReport> {
  const engine = await starters[resolveName(name)](options);
  registerGradients();
  isChecking = options.check === 'finite';
  checkFinite(tf.getBackend(), isChecking);
  active = engine;
  return displayedReport(engine.report());
}

/** The engines there are: which are available, and what the others lack. Looks for libraries, loads none. */
export function list(): EngineEntry[] {
  return (Object.keys(descriptions) as EngineName[]).map((name) => {
    const reason = missing(name);
    return { name, description: descriptions[name], available: reason === null, reason };
  });
}

function missing(name: EngineName): string | null {
  try {
    finders[name]();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Name of the engine in use; null before the first `use`. */
export function current(): EngineName | null {
  return active?.name ?? null;
}

function started(caller: string): Engine {
  if (active) return active;
  throw new Error(`engine.${caller}: no engine is in use; call await engine.use('auto') first`);
}

/** What the engine in use is and has done. Throws before the first `use`. */
export function report(): EngineReport {
  return displayedReport(started('report').report());
}

/** Computes what the engine has put off. Call it once a round in long loops that read nothing, and before timing. */
export function flush(): void {
  active?.flush();
}

/**
 * Runs `work` once and says where the time went, by operation and by chain of calls; temporary tensors are disposed
 * of. In a notebook the result is a table, and `show.profile` draws it. The onnx engine compiles the graphs anew for
 * this, which shows as `compile`, and runs compiled functions as they are; the others time each kernel.
 */
export function profile(work: () => void): Profile {
  return started('profile').profile(work);
}

/**
 * The function, recorded once and replayed: later calls with arguments of the same shapes skip JavaScript and
 * TensorFlow.js and run the recorded graph at once. Arguments and results are tensors or arrays and objects of them;
 * variables may be read and assigned inside. Temporary tensors are disposed of as by `tf.tidy`.
 *
 * Two calls that record the same graph with the same numbers make a plan, so a number that differs between calls (a
 * learning rate, a timestep, a random array) keeps the function recorded: pass it as a tensor. A number that is equal
 * in two calls is taken for a constant, as are tensors from outside that are neither arguments nor variables.
 * Numbers, booleans and texts among the arguments are constants of a plan of their own. A function that reads values
 * or keeps tensors that it does not return is never replayed; `status().reason` says so. Do not call it inside
 * `tf.grad`: compile the whole step.
 */
export function compile<A extends readonly unknown[], R>(fn: TensorFunction<A, R>): Compiled<A, R> {
  const perEngine = new Map<EngineName, Compiled<A, R>>();
  const forCurrent = (): Compiled<A, R> => {
    const engine = started('compile');
    const known = perEngine.get(engine.name) ?? engine.compile(fn);
    perEngine.set(engine.name, known);
    return known;
  };
  const call = (...args: A): R => (isChecking ? (tf.tidy(() => fn(...args) as never) as R) : forCurrent()(...args));
  return Object.assign(call, {
    status: (): CompileStatus => forCurrent().status(),
    dispose: (): void => {
      for (const compiled of perEngine.values()) compiled.dispose();
      perEngine.clear();
    },
  });
}
