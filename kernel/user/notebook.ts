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

/** Asks for a line of text, as browsers do; `preset` stands for an empty answer. */
function prompt(message = '', preset = ''): string {
  return input(message === '' || /\s$/.test(message) ? message : `${message} `) || preset;
}

/** Asks a question that is answered with y or n. */
function confirm(message = ''): boolean {
  return /^\s*y(?:es)?\s*$/i.test(input(`${message} [y/N] `.trimStart()));
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

export { clearOutput, confirm, display, html, input, kernel, live, markdown, progress, prompt, widgets };

/** The same by name. */
export const notebookFunctions: Readonly<Record<NotebookName, unknown>> = {
  clearOutput,
  confirm,
  display,
  html,
  input,
  kernel,
  live,
  markdown,
  progress,
  prompt,
  widgets,
};
