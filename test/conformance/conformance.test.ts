/** TensorFlow.js's own suite on each engine, in a program of its own: what passes must not become less. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { knownFailures } from './known-failures.ts';

/** Specs that must pass, by engine. */
const wanted = { onnx: 4220, tensorflow: 4219 } as const;

/** Specs that TensorFlow.js itself leaves out. */
const leftOut = 5;

const limitMs = 600_000;

async function lastLine(name: string): Promise<string> {
  const tsx = createRequire(import.meta.url).resolve('tsx/cli');
  const script = fileURLToPath(new URL('run.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [tsx, script, name], { timeout: limitMs });
  return stdout.trim().split('\n').at(-1) ?? '';
}

const available = new Map(engine.list().map((entry) => [entry.name, entry]));

for (const [name, count] of Object.entries(wanted)) {
  const reason = available.get(name as engine.EngineName)?.reason ?? null;
  const title = `${name} passes ${count} specs${reason === null ? '' : ` (skipped: ${reason.slice(0, 80)})`}`;
  test.skipIf(reason !== null)(title, { timeout: limitMs }, async () => {
    const skipped = knownFailures(name).size + leftOut;
    expect(await lastLine(name)).toBe(`${count} passed, 0 failed, ${skipped} skipped`);
  });
}
