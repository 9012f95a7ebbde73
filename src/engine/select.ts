/** Choosing an engine and asking it things. Choosing is a call: importing this library computes nothing. */
import { checkFinite } from './check.ts';
import { cpu } from './cpu/index.ts';
import { displayedReport } from './display.ts';
import type {
  Capabilities,
  CommonOptions,
  Compiled,
  CompileStatus,
  Engine,
  EngineDefinition,
  EngineReport,
  OptionKind,
  Profile,
  TensorFunction,
} from './engine.ts';
import { cpuCapabilities } from './fallback.ts';
import { registerGradients } from './gradients.ts';
import { onnx } from './onnx/index.ts';
import { tensorflow } from './tensorflow/index.ts';
import { tf } from './tf.ts';
import { xla } from './xla/index.ts';

/** The engines there are: a folder each, listed here and nowhere else. */
interface Definitions {
  readonly onnx: typeof onnx;
  readonly xla: typeof xla;
  readonly tensorflow: typeof tensorflow;
  readonly cpu: typeof cpu;
}

const definitions: Definitions = { onnx, xla, tensorflow, cpu };

/** Engines by name. */
export type EngineName = keyof Definitions;

type OptionsIn<Definition> = Definition extends EngineDefinition<string, infer Options> ? Options : never;

/** Options of `use` for each engine; `auto` takes those of the engine that it means. */
export type EngineOptions<Name extends EngineName | 'auto'> = CommonOptions &
  OptionsIn<Definitions[Name extends EngineName ? Name : 'onnx']>;

/** Names of the engines, the default first; `list` also looks for their libraries, which takes up to a second. */
export const engineNames: readonly EngineName[] = Object.keys(definitions) as EngineName[];

/** The engine of a name. */
function definitionOf(name: EngineName): EngineDefinition<EngineName, object> {
  return definitions[name] as EngineDefinition<EngineName, object>;
}

/** An engine that `use` can start. */
export interface EngineEntry {
  readonly name: EngineName;
  readonly description: string;
  /** Whether its library is there; `use` may still fail to load it. */
  readonly available: boolean;
  /** Why not, and how to get it; null when available. */
  readonly reason: string | null;
}

/** Engines by name, from their first use on. */
const engines = new Map<EngineName, Promise<Engine>>();
let active: { readonly name: EngineName; readonly engine: Engine } | undefined;
/** Checked kernels must see each call, so that nothing is replayed. */
let isChecking = false;

/** What `auto` means: the environment variable REWARD_FORCING_ENGINE, or onnx. */
function resolveName(name: string): EngineName {
  const wanted = name === 'auto' ? process.env['REWARD_FORCING_ENGINE'] || 'onnx' : name;
  const known = engineNames.find((each) => each === wanted);
  if (known !== undefined) return known;
  const source = name === 'auto' ? 'REWARD_FORCING_ENGINE' : 'engine.use';
  throw new Error(`${source}: unknown engine '${wanted}'; use one of ${engineNames.join(', ')}, auto`);
}

/** More threads than any machine has processors for end in failures of the system that name nothing. */
const mostThreads = 1024;
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1;

const isPath = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** What an option must be, by its kind: in words, and a test. */
const kinds: Readonly<Record<OptionKind, readonly [wanted: string, fits: (value: unknown) => boolean]>> = {
  threads: [`a whole number from 1 to ${mostThreads}`, (value) => isCount(value) && value <= mostThreads],
  count: ['a whole number of at least 1', isCount],
  flag: ['true or false', (value) => typeof value === 'boolean'],
  folder: ['the path of a folder', isPath],
  file: ['the path of a file', isPath],
  precision: ["'float32' or 'bf16'", (value) => value === 'float32' || value === 'bf16'],
};

/** Throws at options that the engine does not take, or not with this value. */
function checkOptions(name: EngineName, options: Readonly<Record<string, unknown>>): void {
  const taken = definitionOf(name).options as Readonly<Record<string, OptionKind>>;
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const refuse = (wanted: string): never => {
      throw new Error(`engine.use('${name}'): wanted ${wanted}, received ${option}: ${JSON.stringify(value)}`);
    };
    if (option === 'check') {
      if (value !== 'finite') refuse("check: 'finite'");
      continue;
    }
    if (!Object.hasOwn(taken, option)) refuse(`options out of ${[...Object.keys(taken), 'check'].join(', ')}`);
    const [wanted, fits] = kinds[taken[option]!];
    if (!fits(value)) refuse(`${option} to be ${wanted}`);
  }
}

/** Throws at options that differ from what the engine was started with. */
function checkUnchanged(name: EngineName, { settings }: Engine, options: Readonly<Record<string, unknown>>): void {
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || value === settings[option]) continue;
    throw new Error(
      `engine.use('${name}'): received ${option}: ${JSON.stringify(value)}, but this process uses ` +
        `${JSON.stringify(settings[option])} since the first use; start a new process to change that`,
    );
  }
}

/** The engine of a name, started at its first use. */
async function engineOf(name: EngineName, options: object): Promise<Engine> {
  const known = engines.get(name);
  if (known) {
    const engine = await known;
    checkUnchanged(name, engine, options as Readonly<Record<string, unknown>>);
    return engine;
  }
  const starting = definitionOf(name).start(options);
  engines.set(name, starting);
  starting.catch(() => engines.delete(name));
  return starting;
}

/**
 * Starts an engine and makes it the one that tensors are computed on. `auto` takes REWARD_FORCING_ENGINE if set,
 * else onnx. Tensors made before stay where they are and move over when an operation of the new engine uses them.
 * `check: 'finite'` names the first operation that makes a NaN or an infinity, until the next `use` of the engine.
 * Options other than `check` are fixed by the first use of an engine in a process.
 *
 * @throws Error naming an option that the engine does not take or that would change, or saying what is missing and the
 *   command that helps
 */
export async function use<Name extends EngineName | 'auto'>(
  name: Name,
  options?: EngineOptions<Name>,
): Promise<EngineReport> {
  const resolved = resolveName(name);
  const { check, ...own }: CommonOptions & Readonly<Record<string, unknown>> = { ...options };
  checkOptions(resolved, { ...options });
  const engine = await engineOf(resolved, own);
  await tf.setBackend(resolved);
  registerGradients();
  isChecking = check === 'finite';
  checkFinite(resolved, isChecking);
  active = { name: resolved, engine };
  return displayedReport(engine.report());
}

/** The engines there are: which are available, and what the others lack. Looks for libraries, loads none. */
export function list(): EngineEntry[] {
  return engineNames.map((name) => {
    const reason = missing(name);
    return { name, description: definitionOf(name).description, available: reason === null, reason };
  });
}

function missing(name: EngineName): string | null {
  try {
    definitionOf(name).find();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the engine in use can do; TensorFlow.js's own interpreter before the first `use` or on a backend set by hand. */
export function capabilities(): Capabilities {
  return active?.name === tf.getBackend() ? active.engine.capabilities : cpuCapabilities;
}

/** Name of the engine in use; null before the first `use`. */
export function current(): EngineName | null {
  return active?.name ?? null;
}

function started(caller: string): Engine {
  if (active) return active.engine;
  throw new Error(`engine.${caller}: no engine is in use; call await engine.use('auto') first`);
}

/** What the engine in use is and has done. Throws before the first `use`. */
export function report(): EngineReport {
  return displayedReport(started('report').report());
}

/** Computes what the engine has put off. Call it once a round in long loops that read nothing, and before timing. */
export function flush(): void {
  active?.engine.flush();
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
  const perEngine = new Map<Engine, Compiled<A, R>>();
  const forCurrent = (): Compiled<A, R> => {
    const engine = started('compile');
    const known = perEngine.get(engine) ?? engine.compile(fn);
    perEngine.set(engine, known);
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
