/** Scaled fp8 in every published layout, read as the numbers that it stands for: transformer and umT5. */
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { hostTensor, toFloat32 } from '../../src/io/index.ts';
import { openCheckpoint, type Umt5Config, wan, wanForward } from '../../src/model/internal.ts';
import { umt5, umt5Encode, umt5Name } from '../../src/model/text/umt5.ts';
import { umt5EncodeFrom } from '../../src/model/text/umt5-file.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { openWanTransformer } from '../../src/model/wan-folder/transformer.ts';
import { checkFinite } from '../../src/nn/internal.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('fp8-scaled');
const { wan: wanFields, t5: t5Fields } = files.config as { wan: Record<string, unknown>; t5: Umt5Config };
const config = wanConfig({ ...wanFields, text_dim: 16 });
let data: FixtureTensors;
let notes: string[] = [];
const opened = (name: string) => openCheckpoint(files.path(name), { onNote: (note) => notes.push(note) });

/** [C, F, H, W] of the fixture to [1, F, H, W, C]. */
const toOurs = (x: Tensor): Tensor => tf.expandDims(tf.transpose(x, [1, 2, 3, 0]), 0);
/** [1, F, H, W, C] to [C, F, H, W]. */
const toTheirs = (x: Tensor): Tensor => tf.transpose(tf.squeeze(x, [0]), [3, 0, 1, 2]);

beforeAll(async () => {
  data = await files.tensors();
});

test.each(['e4m3', 'e5m2'] as const)('every code of %s', async (kind) => {
  const tables = await files.tensors('tables.safetensors');
  const codes = hostTensor(
    `float8_${kind}`,
    [256],
    Uint8Array.from({ length: 256 }, (_, i) => i),
  );
  const name = kind === 'e4m3' ? 'e4m3fn.decoded' : 'e5m2.decoded';
  expect([...toFloat32(codes)]).toEqual([...tables.values(name)]);
});

/** Cases by the file that they are of. */
const transformers = {
  wan_scale_weight: 'wan_scale_weight',
  wan_comfy_quant: 'wan_comfy_quant',
  wan_header_metadata: 'wan_comfy_quant',
  wan_channel: 'wan_channel',
  wan_block: 'wan_block',
  wan_plain: 'wan_plain',
};
const encoders = ['t5_scale_weight', 't5_comfy_quant', 't5_channel'];

test.each([...Object.entries(transformers), ...encoders.map((name) => [name, name] as const)])(
  '%s: weights are exact, read whole, by rows, mapped and in turn',
  async (name, wanted) => {
    notes = [];
    const file = await opened(`${name}.safetensors`);
    expect(notes).toEqual([]);
    const inTurn = new Map<string, number[]>();
    for await (const [key, tensor] of file.entries({ reuse: true })) inTurn.set(key, [...toFloat32(tensor)]);
    const official = new Map(file.names().map((key) => [umt5Name(key) ?? key, key]));
    for (const key of data.names(`${wanted}.w.`)) {
      const place = official.get(key.slice(`${wanted}.w.`.length))!;
      const values = [...data.values(key)];
      const [rows, columns] = data.shape(key) as [number, number];
      expect([...toFloat32(await file.read(place))], key).toEqual(values);
      expect([...toFloat32(file.map(place))]).toEqual(values);
      expect(inTurn.get(place)).toEqual(values);
      const last = await file.readRows(place, rows - 2, 2);
      expect([...toFloat32(last)]).toEqual(values.slice(-2 * columns));
    }
  },
);

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  beforeAll(() => use(engine));

  test.each(Object.entries(transformers))('velocity of %s', async (name, wanted) => {
    const net = await wan.load(config, (await opened(`${name}.safetensors`)).entries({ reuse: engine !== 'cpu' }));
    const [t = 0] = data.list('wan.t');
    const input = () => ({
      x: toOurs(data.tensor('wan.x')),
      t,
      context: tf.expandDims(data.tensor('wan.context'), 0),
    });
    const out = tf.tidy(() => toTheirs(wanForward(net, input())));
    await expectParity(`${name} velocity, ${engine}`, out, data.host(`${wanted}.out`));
    for (const blocks of ['file', 'host'] as const) {
      const { net: swapped } = await openWanTransformer(files.path(`${name}.safetensors`), { config, blocks });
      const again = tf.tidy(() => toTheirs(wanForward(swapped, input())));
      expect(await again.data()).toEqual(await out.data());
      swapped.dispose();
      again.dispose();
    }
    if (name === 'wan_scale_weight') {
      const probe = data.tensor('wan.probe');
      const loss = (x: Tensor) => tf.sum(tf.mul(toTheirs(wanForward(net, { ...input(), x: toOurs(x) })), probe));
      const gradient = tf.grad(loss)(data.tensor('wan.x'));
      await expectParity(`${name} gradient, ${engine}`, gradient, data.host('wan_scale_weight.grad.x'), {
        atol: 1e-5,
        rtol: 1e-4,
      });
    }
    net.dispose();
    out.dispose();
  });

  test.each(encoders)('rows of %s', async (name) => {
    const file = await opened(`${name}.safetensors`);
    const net = await umt5.load(t5Fields, file.entries());
    const tokens = { ids: data.tensor('t5.ids'), mask: data.tensor('t5.mask') };
    const real = (rows: Tensor) => tf.mul(rows, tf.expandDims(tf.cast(tokens.mask, 'float32'), 2));
    const wanted = tf.tidy(() => real(data.tensor(`${name}.out`)));
    await expectParity(
      `${name} rows, ${engine}`,
      tf.tidy(() => real(umt5Encode(net, tokens))),
      await wanted.data(),
    );
    const places = new Map(file.names().map((key) => [umt5Name(key) ?? key, key]));
    const source = {
      read: (key: string, into?: Uint8Array) => file.read(places.get(key)!, into),
      readRows: (key: string, start: number, count: number) => file.readRows(places.get(key)!, start, count),
    };
    const streamed = await umt5EncodeFrom(source, t5Fields, tokens);
    await expectParity(
      `${name} rows block by block, ${engine}`,
      tf.tidy(() => real(streamed)),
      await wanted.data(),
    );
    net.dispose();
    tf.dispose([wanted, streamed]);
  });
});

describe('hostile files', () => {
  const expected = files.json<Record<string, { want: 'refuse' | 'report' | 'either' }>>('hostile/expected.json');
  const names = readdirSync(files.path('hostile')).filter((name) => name.endsWith('.safetensors'));

  test.each(names)('%s', async (name) => {
    const told: string[] = [];
    const read = async () => {
      const file = await openCheckpoint(files.path(`hostile/${name}`), { onNote: (note) => told.push(note) });
      for await (const [key, tensor] of file.entries()) checkFinite(`${file.path}: ${key}`, tensor); // as every load
    };
    const { want } = expected[name]!;
    const error = await read().then(
      () => null,
      (thrown: Error) => thrown,
    );
    if (want === 'refuse') expect(error, name).not.toBeNull();
    if (want === 'report') expect(error !== null || told.length > 0, name).toBe(true);
    if (error !== null) expect(error.message).toContain(name);
  });
});
