/** What both sizes of RAFT are compared by. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { toFloat32 } from '../../src/io/index.ts';
import { type RaftConfig, raft, raftForward, raftPresets } from '../../src/model/internal.ts';
import type { Weights } from '../../src/nn/index.ts';
import { expectParity, type FixtureTensors, fixture, report } from './fixtures.ts';

/** Bounds of a gradient's errors relative to its largest entry. */
export interface GradientBound {
  readonly largest: number;
  readonly median: number;
}

/** Parity of a fixture of RAFT: weights under both namings, features, look-ups, each step, flow, gradients. */
export function raftParity(name: string, bound: GradientBound): void {
  const files = fixture(name);
  const { variant, ...sizes } = files.config as unknown as RaftConfig & { readonly variant: string };
  const config: RaftConfig = {
    ...raftPresets[variant.startsWith('raft_small') ? 'raft_small' : 'raft_large'],
    ...sizes,
  };
  const keymap = files.json<Record<string, string>>('keymap_torchvision_to_princeton.json');
  let stored: FixtureTensors;
  let data: FixtureTensors;

  beforeAll(async () => {
    stored = await files.tensors('weights.safetensors');
    data = await files.tensors();
  });

  test('names of the original are translated', () => {
    const name = raft.officialName(config);
    for (const [torchvision, princeton] of Object.entries(keymap)) {
      const isCounter = torchvision.endsWith('.num_batches_tracked'); // which no network reads
      expect(name(`module.${princeton}`)).toBe(isCounter ? null : torchvision);
    }
  });

  describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
    let weights: Weights;

    beforeAll(async () => {
      await use(engine);
      weights = (await raft.load(config, stored.all)).weights;
    });

    afterAll(() => weights.dispose());

    test('features, look-ups, steps and flow', async () => {
      const seen = new Map<string, Tensor>();
      const onValue = (key: string, y: Tensor) => void seen.set(key, tf.keep(y.clone()));
      const steps = data.shape('flow_lowres_iters')[0]!;
      const [first, second] = pair(data);
      const flow = raftForward({ weights, config }, first, second, { iterations: steps, onValue });
      const label = (what: string) => `${name} ${what}, ${engine}`;
      await expectParity(label('features'), planes(seen.get('feature_encoder')!), data.host('mid.fmap1'));
      if (data.has('mid.context')) {
        await expectParity(label('context'), planes(seen.get('context')!), data.host('mid.context'));
      }
      const rows = data.host('mid.corr_features_iter2_rows0to1');
      const looked = tf.slice(planes(seen.get('step.1.correlations')!), [0, 0, 0, 0], [-1, -1, rows.shape[2]!, -1]);
      await expectParity(label('look-up'), looked, rows, { atol: 1e-3 });
      const coarse = Array.from({ length: steps }, (_, i) => tf.squeeze(planes(seen.get(`step.${i}.flow`)!), [0]));
      await expectParity(label('coarse flow'), tf.stack(coarse), data.host('flow_lowres_iters'), { atol: 1e-3 });
      if (data.has('flow_iter1')) {
        const early = planes(seen.get('step.0.upsampled')!);
        const expected = data.host('flow_iter1');
        await expectParity(label('flow of an early step'), early, expected, { atol: 1e-3 });
      }
      await expectParity(label('flow'), planes(flow), data.host('flow_final'), { atol: 1e-3 });
      tf.dispose([...seen.values()]);
    });

    test('gradients', async () => {
      const names = data.names('grad.w.').map((key) => key.slice('grad.w.'.length));
      const variables = names.map((key) => weights.variable(key));
      const steps = data.shape('flow_lowres_iters')[0]!;
      const [first, second] = pair(data);
      const probe = tf.div(tf.sub(images(tf.cast(data.tensor('probe_u8'), 'float32')), 128), 512);
      const image = tf.variable(first);
      const total = () => {
        const flow = raftForward({ weights, config }, image, second, { iterations: steps });
        return tf.sum(tf.mul(flow, probe)).asScalar();
      };
      const { value, grads } = tf.variableGrads(total, [image, ...variables]);
      await expectParity(`${name} scalar, ${engine}`, value, data.values('scalar'), { atol: 1e-2, rtol: 1e-4 });
      const received: [string, Tensor][] = [
        ['grad.image1', planes(grads[image.name]!)],
        ...names.map((key, i): [string, Tensor] => [`grad.w.${key}`, grads[variables[i]!.name]!]),
      ];
      for (const [key, gradient] of received) {
        const errors = relativeErrors(await gradient.data(), toFloat32(data.host(key)));
        report(`${name} gradients, largest, ${engine}`, errors.largest);
        report(`${name} gradients, median, ${engine}`, errors.median);
        expect(errors.largest, key).toBeLessThan(bound.largest);
        expect(errors.median, key).toBeLessThan(bound.median);
      }
      image.dispose();
    }, 240_000);

    test('weights under the original names give the same flow', async () => {
      const princeton = [...stored.all].map(([key, host]) => [`module.${keymap[key]!}`, host] as const);
      const repeated = princeton
        .filter(([key]) => key.includes('downsample.1'))
        .map(([key, host]) => [key.replace('downsample.1', 'norm3'), host] as const);
      const other = (await raft.load(config, [...princeton, ...repeated])).weights;
      const [first, second] = pair(data);
      const steps = data.shape('flow_lowres_iters')[0]!;
      const flow = raftForward({ weights: other, config }, first, second, { iterations: steps });
      await expectParity(`${name} from the original, ${engine}`, planes(flow), data.host('flow_final'), { atol: 1e-3 });
      other.dispose();
    });
  });
}

/** Both images as the network takes them, [B, H, W, 3] in [-1, 1]. */
function pair(data: FixtureTensors): [Tensor, Tensor] {
  return ['image1_u8', 'image2_u8'].map((key) =>
    tf.sub(tf.div(images(tf.cast(data.tensor(key), 'float32')), 127.5), 1),
  ) as [Tensor, Tensor];
}

function relativeErrors(received: ArrayLike<number>, expected: Float32Array): GradientBound {
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const errors = Float64Array.from(expected, (value, i) => Math.abs(received[i]! - value) / largest).sort();
  return { largest: errors.at(-1)!, median: errors[errors.length >> 1]! };
}

/** [B, C, H, W] -> [B, H, W, C] */
function images(x: Tensor): Tensor {
  return tf.transpose(x, [0, 2, 3, 1]);
}

/** [B, H, W, C] -> [B, C, H, W] */
function planes(x: Tensor): Tensor {
  return tf.transpose(x, [0, 3, 1, 2]);
}
