/**
 * One side of `bench engine` as a program of its own, so that peak memory and first steps are its own: TensorFlow.js
 * on the engine that its argument names (`onnx`, `tensorflow`, or `wasm`, the backend that TensorFlow.js publishes).
 * It speaks the protocol of peers/torch_peer.py; `{"report": true}` asks what the engine did.
 */
import { createInterface } from 'node:readline';
import { registerGradients } from '../../src/engine/gradients.ts';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { type Case, isStep } from './cases.ts';
import { type Running, startOperation } from './operations.ts';
import { startStep } from './steps.ts';
import { timed } from './turns.ts';

interface Message {
  readonly setup?: Case;
  readonly threads?: number;
  readonly steps?: number;
  readonly report?: boolean;
}

async function useBackend(name: string, threads: number): Promise<string> {
  if (name !== 'wasm') {
    const { versions } = await engine.use(name as engine.EngineName, { threads });
    return Object.values(versions)[0] ?? 'unknown';
  }
  const { setThreadsCount, version_wasm } = await import('@tensorflow/tfjs-backend-wasm');
  setThreadsCount(threads);
  await tf.setBackend('wasm');
  registerGradients();
  return version_wasm;
}

let running: Running | undefined;
let repeat = 1;

async function answer(name: string, { setup, threads = 1, steps, report }: Message): Promise<unknown> {
  if (setup) {
    const version = await useBackend(name, threads);
    running = isStep(setup) ? startStep(setup) : startOperation(setup);
    repeat = setup.repeat ?? 1;
    return { parameters: running.parameters, version };
  }
  if (report) return engine.current() === null ? {} : engine.report();
  return timed(running!.step, repeat)(steps ?? 1);
}

async function main(): Promise<void> {
  const [name = 'onnx'] = process.argv.slice(2);
  for await (const line of createInterface({ input: process.stdin })) {
    let reply: unknown;
    try {
      reply = await answer(name, JSON.parse(line) as Message);
    } catch (error) {
      reply = { error: (error as Error).message };
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

await main();
