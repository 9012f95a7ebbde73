/** Samplers that let the rest of the process live: timers run and a signal is heard between steps. */
import { setImmediate } from 'node:timers/promises';
import { flush } from '../../engine/index.ts';
import type { Tensor } from '../../engine/tf.ts';
import type { SamplerStep } from './solver.ts';

/** Options of {@link paced}. */
export interface PacedOptions {
  /** Stops after the step that runs, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Sees each step and may take its time; the tensors live until it is done. */
  readonly onStep?: ((step: SamplerStep) => void | Promise<void>) | undefined;
}

/** Runs the steps of a sampler to their end: each is computed before the next begins. */
export async function paced(
  steps: Generator<SamplerStep, Tensor, void>,
  { signal, onStep }: PacedOptions,
): Promise<Tensor> {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { value, done } = steps.next();
      if (done) return value;
      flush();
      await onStep?.(value);
      await setImmediate();
    }
  } finally {
    steps.return(undefined as never);
  }
}
