import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A Python program that answers each line of JSON with one line of JSON. */
export interface Peer {
  ask(message: Record<string, unknown>): Promise<unknown>;
  stop(): void;
}

/** Starts peers/NAME with the Python that REWARD_FORCING_PYTHON names; null when the variable is not set. */
export function startPeer(name: string): Peer | null {
  const python = process.env['REWARD_FORCING_PYTHON'];
  if (!python) return null;
  const script = fileURLToPath(new URL(`./peers/${name}`, import.meta.url));
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(message) {
      child.stdin.write(`${JSON.stringify(message)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${name} ended without an answer; does ${python} have torch?`);
      return JSON.parse(value as string);
    },
    stop: () => child.stdin.end(),
  };
}
