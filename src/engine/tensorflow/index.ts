import type { EngineDefinition } from '../engine.ts';
import type { TensorflowOptions } from './engine.ts';
import { findTensorflow } from './library.ts';

export { installTensorflow } from './install.ts';

export const tensorflow: EngineDefinition<'tensorflow', TensorflowOptions> = {
  name: 'tensorflow',
  description: 'runs each operation at once on TensorFlow, on a GPU where it sees one; tfjs-node without its addon',
  options: { threads: 'threads', library: 'folder' },
  find: findTensorflow,
  start: async (options) => (await import('./engine.ts')).startTensorflow(options),
};
