/** A causal student from the file that its training leaves, through every way that leads to frames. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type HostTensor, hostTensor, readSafetensors, writeSafetensors } from '../../src/io/index.ts';
import { toBfloat16 } from '../../src/io/internal.ts';
import { inspectWeights } from '../../src/model/internal.ts';
import { describeWan, type OpenWanOptions, openWan } from '../../src/model/wan-folder/open-wan.ts';
import { writeRandomWan } from '../../src/model/wan-folder/random-wan.ts';
import { random } from '../../src/nn/index.ts';
import { generate, planMemory } from '../../src/sampler/index.ts';
import { writeStudent } from '../model/student-checkpoint.ts';

const request = { prompt: 'A cat runs.', seed: 2, size: [8, 8], frames: 5 } as const;
let folder = '';
let student = '';
/** The averaged generator, rounded as the checkpoint has it. */
let averaged: Map<string, HostTensor>;
let latest: Map<string, HostTensor>;

beforeAll(async () => {
  await use('cpu');
  folder = await mkdtemp(join(tmpdir(), 'student-'));
  await writeRandomWan(folder, random.key(4));
  latest = rounded(await readSafetensors(join(folder, 'diffusion_pytorch_model.safetensors')));
  averaged = new Map([...latest].map(([name, host]) => [name, halved(host)]));
  student = join(folder, 'self_forcing_dmd.pt');
  await writeStudent(student, { generator: latest, generator_ema: averaged });
});
afterAll(() => rm(folder, { recursive: true }));

function rounded(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      const words = Uint32Array.from(toBfloat16(data as Float32Array), (bits) => bits << 16);
      return [name, hostTensor('float32', shape, new Float32Array(words.buffer))];
    }),
  );
}

function halved({ shape, data }: HostTensor): HostTensor {
  return hostTensor(
    'float32',
    shape,
    (data as Float32Array).map((value) => value / 2),
  );
}

/** Pixels of the request, one array a block. */
async function frames(options: OpenWanOptions): Promise<Float32Array[]> {
  const wan = await openWan(folder, { promptCache: null, ...options });
  const pieces: Float32Array[] = [];
  for await (const { data } of generate(wan, request)) pieces.push(data);
  wan.dispose();
  return pieces;
}

async function plainFile(name: string, tensors: ReadonlyMap<string, HostTensor>): Promise<string> {
  const path = join(folder, name);
  await writeSafetensors(path, tensors);
  return path;
}

describe.each(['resident', 'host', 'host-bfloat16', 'file'] as const)('blocks %s', (blocks) => {
  test('the averaged generator paints the frames of its own weights', async () => {
    const wanted = await frames({ student: await plainFile('averaged.safetensors', averaged) });
    expect(wanted.map(({ length }) => length)).toEqual([1, 2, 2].map((count) => count * 8 * 8 * 3));
    expect(await frames({ student, blocks })).toEqual(wanted);
  });
});

test('the generator of the last step is taken where it is asked for, in spite of its wrapped names', async () => {
  const wanted = await frames({ student: await plainFile('latest.safetensors', latest) });
  expect(await frames({ student, part: 'generator' })).toEqual(wanted);
  expect(await frames({ student })).not.toEqual(wanted);
});

test('a part must be there', async () => {
  await expect(openWan(folder, { student, part: 'teacher' })).rejects.toThrow('nothing is saved under "teacher"');
});

test('an inspection and a plan say what it is', async () => {
  expect(await inspectWeights(student)).toMatchObject({
    format: 'pytorch',
    part: 'generator_ema',
    dtypes: ['bfloat16'],
    fit: { preset: 'tiny', naming: 'translated', fits: true },
  });
  const wan = await openWan(folder, { student });
  const { rows } = planMemory(wan, request);
  expect(planMemory(await describeWan(folder, { student }), request).rows).toEqual(rows);
  expect(rows.map(({ what }) => what)).toContain('cache of keys and values, and its successor');
  wan.dispose();
});

const python = process.env['REWARD_FORCING_PYTHON'];
const hasTorch =
  python !== undefined &&
  (await promisify(execFile)(python, ['-c', 'import torch']).then(
    () => true,
    () => false,
  ));

/** Saves every array of a pth checkpoint anew, as torch.save does, in its zip and its legacy format. */
const resave = `
import sys, torch
saved = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
torch.save(saved, sys.argv[2], _use_new_zipfile_serialization=sys.argv[3] == "zip")
`;

test.skipIf(!hasTorch).each(['zip', 'legacy'])(
  'PyTorch reads the checkpoint, and its own %s file gives the same frames (needs REWARD_FORCING_PYTHON)',
  async (format) => {
    const own = join(folder, `${format}.pt`);
    await promisify(execFile)(python!, ['-c', resave, student, own, format]);
    expect(await frames({ student: own })).toEqual(await frames({ student }));
  },
);
