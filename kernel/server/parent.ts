/** A kernel whose starter has gone has no use: it ends with it, whatever a cell is doing. */

const LOOK_EVERY_MS = 1000;

/** Watches the parent process where the starter asked for it, as Jupyter does by JPY_PARENT_PID. */
export function endWithParent(env: NodeJS.ProcessEnv = process.env): void {
  if (!env['JPY_PARENT_PID']) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) killGroup(process.pid);
  }, LOOK_EVERY_MS).unref();
}

/** Kills a kernel and what its cells have started: the group that it leads, or it alone where it leads none. */
export function killGroup(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
      return;
    } catch {
      // No such group, or gone already.
    }
  }
}
