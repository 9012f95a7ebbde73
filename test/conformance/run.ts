/**
 * `npm run test:conformance -- ENGINE [PATTERN] [--all]`: TensorFlow.js's own suite on one of our engines. Known
 * failures run too and count as skipped; one that passes is named, so that the list can shrink. PATTERN is a regular
 * expression on the full name of a spec; --all prints known failures as well. Exits with 1 when a spec failed.
 */
import { parseArgs } from 'node:util';
import type { EngineName } from '../../src/engine/index.ts';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { knownFailures } from './known-failures.ts';
import { declareSuite, type SpecResult } from './suite.ts';

const maxMessage = 300;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Counts specs, and keeps what to print about them. */
class Tally {
  readonly failures: string[] = [];
  readonly known = new Map<string, number>();
  readonly fixed: string[] = [];
  passed = 0;
  pending = 0;
  private readonly reasons: ReadonlyMap<string, string>;
  private readonly showsKnown: boolean;

  constructor(reasons: ReadonlyMap<string, string>, showsKnown: boolean) {
    this.reasons = reasons;
    this.showsKnown = showsKnown;
  }

  add({ fullName, status, failedExpectations }: SpecResult): void {
    const reason = this.reasons.get(fullName);
    if (status === 'passed') {
      this.passed++;
      if (reason !== undefined) this.fixed.push(fullName);
    } else if (status !== 'failed') {
      if (status === 'pending') this.pending++;
    } else {
      this.fail(fullName, failedExpectations[0]?.message ?? 'no message', reason);
    }
  }

  private fail(fullName: string, message: string, reason: string | undefined): void {
    const text = `${fullName}\n    ${message.slice(0, maxMessage).replaceAll('\n', ' ')}`;
    if (reason === undefined) this.failures.push(text);
    else this.known.set(reason, (this.known.get(reason) ?? 0) + 1);
    if (reason !== undefined && this.showsKnown) print(`known: ${text}`);
  }

  get skipped(): number {
    return this.pending + [...this.known.values()].reduce((sum, count) => sum + count, 0);
  }

  print(): void {
    for (const failure of this.failures) print(`failed: ${failure}`);
    for (const name of this.fixed) print(`passes, though known-failures.json lists it: ${name}`);
    for (const [reason, count] of this.known) print(`known failures, ${count}: ${reason}`);
    if (this.pending > 0) print(`left out by the suite itself: ${this.pending}`);
    print(`${this.passed} passed, ${this.failures.length} failed, ${this.skipped} skipped`);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { all: { type: 'boolean' } }, allowPositionals: true });
  const [name = 'onnx', pattern] = positionals;
  // first the bundle, which registers the gradients of TensorFlow.js, then the engine, which corrects some
  const suite = await declareSuite(name);
  const { device, versions } = await engine.use(name as EngineName);
  print(
    `${name} on ${device}, ${Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(', ')}`,
  );
  if (tf.getBackend() !== name) throw new Error(`engine ${name} computes on backend ${tf.getBackend()}`);
  const tally = new Tally(knownFailures(name), values.all ?? false);
  await suite.execute(pattern === undefined ? null : new RegExp(pattern), (result) => tally.add(result));
  tally.print();
  return tally.failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();
