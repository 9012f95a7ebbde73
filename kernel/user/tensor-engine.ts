/**
 * Interrupts and TensorFlow.js. Its engine is told apart by the global name under which it stands, not imported.
 *
 * V8's termination runs no `catch` and no `finally`: the engine would believe for ever that it is inside of the `tidy`
 * or the gradient that was ended, and keep all that later cells make. So an interrupt is thrown as an ordinary error
 * at the next operation, and what was left open all the same is closed after the cell.
 */

interface Disposable {
  dispose(): void;
}

interface State {
  gradientDepth: number;
  kernelDepth: number;
  activeTape: { saved?: Disposable[] | null }[] | null;
  readonly scopeStack: readonly unknown[];
}

/** What is used of tfjs-core's `Engine`. */
interface TensorEngine {
  readonly state: State;
  runKernelFunc(...args: unknown[]): unknown;
  makeTensor(...args: unknown[]): unknown;
  startScope(...args: unknown[]): unknown;
  endScope(): void;
  tidy<Result>(work: () => Result): Result;
  gradients(...args: unknown[]): unknown;
}

/** Where tfjs-core keeps its engine. Source: tfjs-core, engine.ts, getOrMakeEngine. */
const GLOBAL_NAME = '_tfengine';
/** Beginnings of work at which nothing is half done. */
const STARTS = ['runKernelFunc', 'makeTensor', 'startScope'] as const;

let engine: TensorEngine | undefined;

/** Calls `check` before each operation, new tensor and `tidy`, from the moment at which TensorFlow.js is loaded. */
export function watchTensorEngine(check: () => void): void {
  Object.defineProperty(globalThis, GLOBAL_NAME, {
    configurable: true,
    get: () => engine,
    set: (made: TensorEngine) => {
      engine = made;
      for (const name of STARTS) made[name] = checked(made, made[name], check);
      made.gradients = tidied(made, made.gradients);
    },
  });
}

function checked(made: TensorEngine, start: (...args: unknown[]) => unknown, check: () => void) {
  return (...args: unknown[]): unknown => {
    if (made.state.kernelDepth === 0) check();
    return start.apply(made, args);
  };
}

/** The value of a gradient's function stands in no scope while the way back is computed: an error there would leak it. */
function tidied(made: TensorEngine, gradients: TensorEngine['gradients']): TensorEngine['gradients'] {
  return (...args) => made.tidy(() => gradients.apply(made, args));
}

/** Remembers what is open now; the function that it returns closes all that was opened since. */
export function markTensorEngine(): () => void {
  const { scopeStack = [], gradientDepth = 0, kernelDepth = 0, activeTape = null } = engine?.state ?? {};
  const scopes = scopeStack.length;
  return () => {
    if (!engine) return;
    const { state } = engine;
    if (state.activeTape !== activeTape) releaseTape(state);
    Object.assign(state, { gradientDepth, kernelDepth, activeTape });
    while (state.scopeStack.length > scopes) engine.endScope();
  };
}

/** A gradient that was broken off has not released what its operations saved for the way back. */
function releaseTape({ activeTape }: State): void {
  for (const { saved } of activeTape ?? []) for (const tensor of saved ?? []) tensor.dispose();
}
