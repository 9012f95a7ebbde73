import type { EngineDefinition } from '../engine.ts';
import type { XlaOptions } from './engine.ts';
import { findPlugin } from './library.ts';

export { installXla, xlaTargets } from './install.ts';

export const xla: EngineDefinition<'xla', XlaOptions> = {
  name: 'xla',
  description: 'compiles recorded steps by XLA, through a PJRT plugin: CUDA where there is a GPU, processors for tests',
  options: { plugin: 'file', cache: 'folder', compute: 'precision', maxPending: 'count', maxSessions: 'count' },
  find: () => void findPlugin(),
  start: async (options) => (await import('./engine.ts')).startXla(options),
};
