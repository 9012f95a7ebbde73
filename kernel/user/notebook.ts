/**
 * What a cell can call without an import. The functions act on the kernel that runs in this process; outside a kernel
 * they say so.
 */
import type { NotebookName } from '../built-in-names.ts';
import { current } from './bound.ts';
import type { Comms } from './comms.ts';
import { clearOutput, display, html, live, markdown } from './display.ts';
import { progress } from './progress.ts';
import * as widgets from './widgets/index.ts';

/** Asks the person at the notebook and waits for the answer. Throws where the front end allows no input. */
function input(prompt = '', options: { password?: boolean } = {}): string {
  return current().input(prompt, options.password ?? false);
}

/** The kernel itself: the running cell's AbortSignal and the comms. */
const kernel: { readonly signal: AbortSignal; readonly comms: Comms } = {
  /** Aborted when the cell is interrupted: pass it to long work. */
  get signal(): AbortSignal {
    return current().signal;
  },
  /** Channels to the front end, for widgets. */
  get comms(): Comms {
    return current().comms;
  },
};

export { clearOutput, display, html, input, kernel, live, markdown, progress, widgets };

/** The same by name. */
export const notebookFunctions: Readonly<Record<NotebookName, unknown>> = {
  clearOutput,
  display,
  html,
  input,
  kernel,
  live,
  markdown,
  progress,
  widgets,
};
