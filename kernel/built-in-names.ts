/** Names that every cell has without an import. */

/** Namespaces of the library. */
export const NAMESPACES: readonly string[] = [
  'io',
  'engine',
  'nn',
  'model',
  'sampler',
  'reward',
  'train',
  'evaluate',
  'show',
  'world',
  'study',
  'tf',
];

/** What user/notebook.ts exports. */
export type NotebookName =
  | 'clearOutput'
  | 'confirm'
  | 'display'
  | 'html'
  | 'input'
  | 'kernel'
  | 'live'
  | 'markdown'
  | 'progress'
  | 'prompt'
  | 'widgets';

export const NOTEBOOK_NAMES: readonly NotebookName[] = [
  'clearOutput',
  'confirm',
  'display',
  'html',
  'input',
  'kernel',
  'live',
  'markdown',
  'progress',
  'prompt',
  'widgets',
];
