/** The process outlives what cells and their libraries make of `process.exit`. */

/** Ends the kernel's process. */
export const endProcess: (code: number) => never = process.exit.bind(process);

/** Raised in the place of ending the process. */
class ProcessExit extends Error {
  override name = 'ProcessExit';

  constructor(code: unknown) {
    super(`process.exit(${code ?? ''}) ends the cell; the kernel goes on, and is ended by its Shut Down`);
  }
}

/** From now on `process.exit` ends the cell that calls it. */
export function keepProcess(): void {
  process.exit = (code) => {
    throw new ProcessExit(code);
  };
}
