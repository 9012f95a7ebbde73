/**
 * Processes that cells start end with the kernel, however it ends: a small shell waits beside it, from the first such
 * process on, for the pipe to close that only the kernel holds. Those that a cell detaches are its own affair.
 */
import childProcess, { type ChildProcess, type SpawnOptions } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import type { Writable } from 'node:stream';

/** Reads "+pid" and "-pid", and at the end kills the pids that are left and the group that the kernel led. */
const WATCH = `live=
while read -r line; do
  pid=\${line#?}
  case $line in
    +*) live="$live $pid" ;;
    -*) rest=; for one in $live; do [ "$one" = "$pid" ] || rest="$rest $one"; done; live=$rest ;;
  esac
done
for one in -$1 $live; do kill -s KILL -- "$one"; done`;

type Spawn = (this: ChildProcess, options: SpawnOptions) => unknown;

const { spawn } = childProcess;
const { apply } = Reflect;
let watcher: Writable | null = null;

/** Watches over all that is started from now on. Windows has no such groups: there, children stay. */
export function endChildrenWithKernel(): void {
  if (process.platform === 'win32') return;
  const prototype = childProcess.ChildProcess.prototype as unknown as { spawn: Spawn };
  const start = prototype.spawn;
  prototype.spawn = function (options) {
    watch();
    const started = apply(start, this, [options]);
    const { pid } = this;
    if (pid !== undefined && !options.detached) {
      tell(`+${pid}`);
      this.once('exit', () => tell(`-${pid}`));
    }
    return started;
  };
  for (const name of ['spawnSync', 'execSync', 'execFileSync'] as const) {
    const own = childProcess[name] as (...args: unknown[]) => unknown;
    const watched = (...args: unknown[]): unknown => {
      watch();
      return apply(own, childProcess, args);
    };
    Object.assign(childProcess, { [name]: watched });
  }
  syncBuiltinESMExports();
}

/** Starts the shell, once. */
function watch(): void {
  if (watcher) return;
  // Its own start comes through here as well.
  watcher = process.stderr;
  const options = { detached: true, stdio: ['pipe', 'ignore', 'ignore'] as const };
  const shell = spawn('/bin/sh', ['-c', WATCH, 'kernel-children', String(process.pid)], {
    ...options,
    stdio: [...options.stdio],
  });
  watcher = shell.stdin;
  shell.on('error', () => {});
  shell.stdin?.on('error', () => {});
  shell.unref();
  (shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
}

function tell(line: string): void {
  if (watcher && watcher !== process.stderr) watcher.write(`${line}\n`);
}
