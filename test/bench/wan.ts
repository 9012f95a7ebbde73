/**
 * The official sizes. Loading: a transformer of Wan2.1-1.3B's names with random bits in bfloat16 (2.8 GB, written first
 * and deleted afterwards), into host memory and onto the engine, against a plain read of the same file in the same run;
 * peak memory over what is kept. Computing: one block at 1,560 tokens on the onnx engine against PyTorch eager in fp32,
 * in turn, where REWARD_FORCING_PYTHON is set. `--only load` or `--only block` runs one of them.
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  type BlockPlace,
  createCrossAttnCache,
  wan,
  wanForward,
  wanPresets,
  wanShapes,
} from '../../src/model/internal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { openWanTransformer } from '../../src/model/wan-folder/transformer.ts';
import { parameterCount, random } from '../../src/nn/index.ts';
import type { BenchOptions } from './main.ts';
import { ownFile, type Peer, startProgram } from './peer.ts';
import { rounded, type Steps, type Times, takeTurns, timed } from './turns.ts';

const full = wanPresets['wan2.1-t2v-1.3b'];
const oneBlock = wanConfig({ ...full, num_layers: 1 });
/** 1,560 tokens: one latent frame of 480x832. */
const latents = [1, 1, 60, 104, 16];

export async function benchWan({ threads, rounds, only = '' }: BenchOptions): Promise<Record<string, unknown>[]> {
  await engine.use('onnx', { threads });
  return [
    ...('load'.includes(only) ? await benchLoading() : []),
    ...('block'.includes(only) ? await benchBlock(threads, rounds) : []),
  ];
}

async function benchLoading(): Promise<Record<string, unknown>[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-wan-'));
  try {
    const path = join(folder, 'diffusion_pytorch_model.safetensors');
    const bytes = await writeSynthetic(path);
    const rows: Record<string, unknown>[] = [];
    for (const blocks of ['host', 'resident'] as const) {
      for (const state of ['cached', 'uncached'] as const) rows.push(await measureLoading(path, bytes, blocks, state));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Loading after a plain read, both from the same state of the system's cache of the file. */
async function measureLoading(
  path: string,
  bytes: number,
  blocks: BlockPlace,
  state: 'cached' | 'uncached',
): Promise<Record<string, unknown>> {
  const prepare = () => (state === 'cached' ? plainRead(path) : dropCache(path));
  await prepare();
  const readMs = await plainRead(path);
  await prepare();
  await collectGarbage();
  const before = resetPeak();
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const wan = await openWanTransformer(path, { blocks });
  engine.flush();
  const loadMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const peak = peakBytes() - before;
  wan.net.dispose();
  const kept = blocks === 'host' ? bytes : 2 * bytes; // bfloat16 as in the file, or float32
  return {
    name: `load 1.3B bfloat16, blocks ${blocks}, file ${state}`,
    fileGB: rounded(bytes / 1e9),
    plainReadGBs: rounded(bytes / 1e6 / readMs),
    loadGBs: rounded(bytes / 1e6 / loadMs),
    newMemoryGBs: rounded(touchNewMemory(kept)),
    userMs: rounded(user / 1e3),
    systemMs: rounded(system / 1e3),
    peakOverFile: rounded(peak / bytes),
    peakOverKept: rounded(peak / kept),
  };
}

/** Makes the system forget what it has cached of a file; Linux only. */
async function dropCache(path: string): Promise<void> {
  await promisify(execFile)('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0']);
}

/** Frees what earlier measurements left. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  for (let i = 0; i < 3; i++) {
    runInNewContext('gc')();
    await setImmediate(); // finalisation has its turn
  }
}

/** Gigabytes a second at which the machine gives new memory: what no loading into memory can exceed. */
function touchNewMemory(bytes: number): number {
  const start = performance.now();
  const parts = Array.from({ length: Math.ceil(bytes / chunk.length) }, () => new Uint8Array(chunk.length));
  for (const part of parts) for (let at = 0; at < part.length; at += 4096) part[at] = 1;
  return (parts.length * chunk.length) / 1e6 / (performance.now() - start);
}

const chunk = new Uint8Array(1 << 26);

async function plainRead(path: string): Promise<number> {
  const file = await open(path);
  const start = performance.now();
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  const ms = performance.now() - start;
  await file.close();
  return ms;
}

/** Small finite values in bfloat16 under the official names; returns the size of the file. */
async function writeSynthetic(path: string): Promise<number> {
  let end = 0;
  const fields = [...wanShapes(full)].map(([name, shape]) => {
    const begin = end;
    end += 2 * parameterCount(new Map([[name, shape]]));
    return [name, { dtype: 'BF16', shape, data_offsets: [begin, end] }] as const;
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(fields)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.set(json, 8);
  const words = new Uint16Array(chunk.buffer);
  for (let i = 0; i < words.length; i++) words[i] = 0x3c00 + (Math.imul(i, 2654435761) >>> 24);
  const file = await open(path, 'w');
  await file.write(header);
  for (let at = 0; at < end; at += chunk.length) await file.write(chunk, 0, Math.min(chunk.length, end - at));
  await file.sync();
  await file.close();
  return header.length + end;
}

/** Starts a new count of the most memory held and returns what is held now; Linux only. */
function resetPeak(): number {
  writeFileSync('/proc/self/clear_refs', '5');
  return statusBytes('VmRSS');
}

function peakBytes(): number {
  return statusBytes('VmHWM');
}

function statusBytes(field: string): number {
  return 1024 * Number(new RegExp(`${field}:\\s*(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

async function benchBlock(threads: number, rounds: number): Promise<Record<string, unknown>[]> {
  const peer = await startTorch(threads);
  const ours = prepareBlock();
  try {
    const sides: Steps[] = [ours.steps, ...(peer ? [peerSteps(peer)] : [])];
    const [own, torch] = await takeTurns(sides, rounds);
    const ratio = torch && {
      torchMs: torch.bestMs,
      ratio: rounded(own!.bestMs / torch.bestMs),
      ratioCpu: rounded(own!.cpuMs / torch.cpuMs),
    };
    return [{ name: 'one block of 1.3B, 1,560 tokens, forward', onnxMs: own!.bestMs, ...ratio }];
  } finally {
    ours.dispose();
    peer?.stop();
  }
}

function prepareBlock(): { steps: Steps; dispose(): void } {
  const { weights } = wan.init(oneBlock, random.key(1));
  const rows = tf.randomNormal([1, oneBlock.text_len, oneBlock.text_dim]);
  const context = createCrossAttnCache({ weights, config: oneBlock }, rows);
  const x = tf.randomNormal(latents);
  const forward = engine.compile((given: Tensor) =>
    wanForward({ weights, config: oneBlock }, { x: given, t: 500, context }),
  );
  const step = async (): Promise<void> => {
    const velocity = forward(x);
    await velocity.data();
    velocity.dispose();
  };
  const dispose = (): void => {
    forward.dispose();
    weights.dispose();
    tf.dispose([rows, x]);
  };
  return { steps: timed(step), dispose };
}

async function startTorch(threads: number): Promise<Peer | null> {
  const python = process.env['REWARD_FORCING_PYTHON'];
  if (!python) return null;
  const peer = startProgram(python, [ownFile('peers/torch_wan.py')]);
  const setup = { config: oneBlock, latents };
  const { parameters } = (await peer.ask({ setup, threads })) as { parameters: number };
  const own = parameterCount(wanShapes(oneBlock));
  if (own !== parameters) throw new Error(`one block: ${own} weights here, ${parameters} in PyTorch`);
  return peer;
}

function peerSteps(peer: Peer): Steps {
  return async (count) => (await peer.ask({ steps: count })) as Times;
}
