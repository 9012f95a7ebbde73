/** Rows of the suites that run over every engine: those whose library is there, by asking the list of engines. */
import { type EngineName, list } from '../../src/engine/index.ts';

/** The engines of this machine. */
export const engines: readonly EngineName[] = list()
  .filter(({ available }) => available)
  .map(({ name }) => name);

/** Those that are measured against the reference. */
export const measured: readonly EngineName[] = engines.filter((name) => name !== 'cpu');
