/** A kernel whose starter has gone has no use: it ends with it, whatever a cell is doing. */

const LOOK_EVERY_MS = 1000;

/**
 * Watches the parent process where the starter asked for it, as Jupyter does by JPY_PARENT_PID. A starter that died
 * while the kernel booted has left it to another parent already: then the named process is gone.
 */
export function endWithParent(env: NodeJS.ProcessEnv = process.env): void {
  const named = Number(env['JPY_PARENT_PID']);
  if (!(named > 0)) return;
  const parent = process.ppid;
  const isAlone = (): boolean => process.ppid !== parent || (parent !== named && !isThere(named));
  const look = (): void => {
    if (isAlone()) killGroup(process.pid);
  };
  look();
  setInterval(look, LOOK_EVERY_MS).unref();
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
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
