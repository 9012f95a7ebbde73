/** Parity of the causal VAE with the reference: encoder, decoder, inner values and gradients, in every chunking. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { decode, encode, type VaeConfig, vaeConfig, vaeShapes } from '../../src/model/internal.ts';
import { Weights } from '../../src/nn/index.ts';
import { checkShapes, shapesOf } from '../../src/nn/internal.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const values = { atol: 1e-4 };
const gradients = { atol: 1e-5, rtol: 1e-4 };

const files = fixture('wan-vae');
const config = vaeConfig(files.config as Partial<VaeConfig>);
let stored: FixtureTensors;
let data: FixtureTensors;

beforeAll(async () => {
  stored = await files.tensors('weights.safetensors');
  data = await files.tensors();
});

test('names and shapes are those of the checkpoint', () => {
  expect(() => checkShapes(shapesOf(stored.all), vaeShapes(config))).not.toThrow();
});

/** [B,C,F,H,W] to [B,F,H,W,C]. */
const last = (x: Tensor): Tensor => x.transpose([0, 2, 3, 4, 1]);
/** [B,F,H,W,C] to [B,C,F,H,W]. */
const first = (x: Tensor): Tensor => x.transpose([0, 4, 1, 2, 3]);

/** Collects the outputs of the named layers, joined over chunks. */
function collector(...wanted: string[]) {
  const outputs = new Map<string, Tensor[]>(wanted.map((name) => [name, []]));
  const onValue = (name: string, output: Tensor) => void outputs.get(name)?.push(tf.keep(output.clone()));
  return { onValue, joined: (name: string) => first(tf.concat(outputs.get(name)!, 1)), outputs };
}

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  let weights: Weights;

  beforeAll(async () => {
    await use(engine);
    weights = Weights.from(stored.all);
  });

  afterAll(() => weights.dispose());

  describe.each([
    ['one latent at a time', 1],
    ['two at a time', 2],
    ['at once', 99],
  ])('%s', (label, latentsPerChunk) => {
    test('encode', async () => {
      const seen = collector('encoder.head', 'encoder.conv1');
      const latents = encode({ weights, config }, last(data.tensor('enc.video')), {
        latentsPerChunk,
        onValue: seen.onValue,
      });
      await expectParity(`vae latent, ${engine}, ${label}`, first(latents), data.host('enc.latent'), values);
      await expectParity(
        `vae encoder output, ${engine}`,
        seen.joined('encoder.head'),
        data.host('enc.mid.encoder_out_chunks'),
        values,
      );
      const [, , length] = data.shape('enc.mid.conv1_chunk1') as [number, number, number];
      const second = seen.joined('encoder.conv1').slice([0, 0, 1], [-1, -1, length]);
      await expectParity(`vae conv1 of the second chunk, ${engine}`, second, data.host('enc.mid.conv1_chunk1'), values);
    });

    test('decode', async () => {
      const seen = collector('decoder.middle.1', 'decoder.head');
      const z = last(data.tensor('dec.z'));
      const options = { latentsPerChunk, clamp: false, onValue: seen.onValue };
      await expectParity(
        `vae video, ${engine}, ${label}`,
        first(decode({ weights, config }, z, options)),
        data.host('dec.video'),
        values,
      );
      await expectParity(
        `vae attention, ${engine}`,
        seen.joined('decoder.middle.1'),
        data.host('dec.mid.middle1_chunks'),
        values,
      );
      const clamped = first(decode({ weights, config }, z, { latentsPerChunk }));
      await expectParity(`vae clamped video, ${engine}`, clamped, data.host('dec.video_clamped'), values);
      if (latentsPerChunk === 1) {
        const lengths = seen.outputs.get('decoder.head')!.map((x) => x.shape[1]);
        expect(lengths).toEqual(data.list('dec.mid.frames_per_chunk'));
      }
    });
  });

  test('encoding a single image', async () => {
    const inner = data.names('enc1.mid.').map((name) => name.slice('enc1.mid.'.length));
    const seen = collector(...inner.map((name) => `encoder.${name}`));
    const image = last(data.tensor('enc.video')).slice([0, 0], [-1, 1]);
    await expectParity(
      `vae image, ${engine}`,
      first(encode({ weights, config }, image, seen)),
      data.host('enc1.latent'),
      values,
    );
    for (const name of inner) {
      await expectParity(
        `vae image ${name}, ${engine}`,
        seen.joined(`encoder.${name}`),
        data.host(`enc1.mid.${name}`),
        values,
      );
    }
  });

  test.each([
    ['one latent at a time', 1],
    ['at once', 99],
  ])('gradients, %s', async (label, latentsPerChunk) => {
    const names = data.names('dec.grad.w.').map((name) => name.slice('dec.grad.w.'.length));
    const variables = names.map((name) => weights.variable(name));
    const z = tf.variable(last(data.tensor('dec.z')));
    const probe = last(data.tensor('dec.probe'));
    const { value, grads } = tf.variableGrads(
      () => tf.sum(tf.mul(decode({ weights, config }, z, { latentsPerChunk, clamp: false }), probe)).asScalar(),
      [...variables, z],
    );
    await expectParity(`vae scalar, ${engine}`, value, Array.from(data.values('dec.scalar')), {
      atol: 1e-3,
      rtol: 1e-4,
    });
    for (const [i, name] of names.entries()) {
      const gradient = grads[variables[i]!.name]!;
      await expectParity(`vae gradient, ${engine}, ${label}`, gradient, data.host(`dec.grad.w.${name}`), gradients);
    }
    await expectParity(`vae gradient of z, ${engine}`, first(grads[z.name]!), data.host('dec.grad.z'), gradients);
  });
});
