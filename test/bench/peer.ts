import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program that answers each line of JSON with one line of JSON. */
export interface Peer {
  /** Throws what the program answers under `error`, that it ended, or that it took longer than `limitMs`: then it is killed. */
  ask(message: Record<string, unknown>, limitMs?: number): Promise<unknown>;
  /** Most memory that the program has held so far in MiB; null where the system does not tell. */
  peakMiB(): number | null;
  stop(): void;
}

/** Path of a file of this folder. */
export function ownFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Starts a program. */
export function startProgram(command: string, args: readonly string[]): Peer {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-2000);
  });
  child.on('error', (error) => {
    said = error.message;
  });
  child.stdin.on('error', () => undefined); // its end is told by `ask`
  return {
    async ask(message, limitMs) {
      child.stdin.write(`${JSON.stringify(message)}\n`);
      let isLate = false;
      const kill = (): void => {
        isLate = child.kill('SIGKILL');
      };
      const timer = limitMs && setTimeout(kill, limitMs);
      const { value, done } = await lines.next();
      if (timer) clearTimeout(timer);
      if (isLate) throw new Error(`no answer within ${limitMs! / 1000} s`);
      if (done) throw new Error(`${command} ended: ${said.trim().split('\n').at(-1) ?? 'it said nothing'}`);
      const reply = JSON.parse(value as string) as { error?: string };
      if (reply.error !== undefined) throw new Error(reply.error);
      return reply;
    },
    peakMiB: () => peakOf(child.pid),
    stop: () => child.stdin.end(),
  };
}

function peakOf(pid: number | undefined): number | null {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? null : Math.round(Number(kilobytes) / 1024);
  } catch {
    return null;
  }
}
