/** The process outlives what cells and their libraries make of `process.exit` and its kin. */

const { exit, reallyExit, kill, removeAllListeners } = process as NodeJS.Process & { reallyExit: unknown };
const { apply } = Reflect;

/** Ends the kernel's process. */
export function endProcess(code: number): never {
  Object.assign(process, { reallyExit });
  return apply(exit, process, [code]) as never;
}

/** Raised in the place of ending the process. */
class ProcessExit extends Error {
  override name = 'ProcessExit';

  constructor(call: string) {
    super(`${call} ends the cell; the kernel goes on, and is ended by its Shut Down`);
  }
}

/** From now on `process.exit` and what else ends this process end the cell that calls them. */
export function keepProcess(): void {
  process.exit = (code) => {
    throw new ProcessExit(`process.exit(${code ?? ''})`);
  };
  process.abort = () => {
    throw new ProcessExit('process.abort()');
  };
  Object.assign(process, { reallyExit: process.exit });
  process.kill = (pid, signal) => {
    const isOwn = pid === process.pid || pid === 0 || pid === -process.pid;
    if (isOwn && signal !== 0 && signal !== 'SIGINT') throw new ProcessExit(`process.kill(${pid})`);
    return apply(kill, process, [pid, signal]);
  };
}

/** Handlers of the process by event. */
export type Handlers = Readonly<Record<string, (...args: never[]) => void>>;

/** From now on no cell takes these handlers away: an error that nobody catches would end the process. */
export function keepHandlers(handlers: Handlers): void {
  const install = (): void => {
    for (const [event, handler] of Object.entries(handlers)) {
      if (!process.listeners(event as 'exit').includes(handler as never)) process.on(event, handler as () => void);
    }
  };
  install();
  process.removeAllListeners = (event) => {
    apply(removeAllListeners, process, event === undefined ? [] : [event]);
    install();
    return process;
  };
}
