import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/index.ts';
import { digits } from '../../src/world/index.ts';

const { CLASSIFIER, captionFidelity, centroids, classifier, classifierForward, digitColour, digitMotion } = digits;

beforeAll(async () => {
  await engine.use('onnx');
});

describe('measures on pixels agree with the labels', () => {
  const clips = Array.from({ length: 100 }, (_, index) => digits.clip(index, { split: 'test', prompts: 'all' }));

  test('direction, speed and displacement', () => {
    for (const { clip, label, motion } of clips) {
      const seen = digitMotion(clip);
      expect(seen).toMatchObject({ direction: label.direction, speed: label.speed, still: false });
      expect(seen.displacement).toBeAllClose(motion, { atol: 1e-3 });
    }
  });

  test('colour', () => {
    for (const { clip, label } of clips) expect(digitColour(clip)).toBe(label.colour);
  });

  test('colour survives dimming and noise', () => {
    for (const { clip, label } of clips) {
      const dimmed = Float32Array.from(clip.data, (value, i) => 0.6 * value + 0.05 * Math.abs(Math.sin(12.9898 * i)));
      expect(digitColour({ ...clip, data: dimmed })).toBe(label.colour);
    }
  });

  test('a still clip is still', () => {
    expect(digitMotion(digits.clip(3, { still: true }).clip)).toMatchObject({ still: true, pxPerFrame: 0 });
  });

  test('a dark clip has no centre and is still', () => {
    const dark = { data: new Float32Array(9 * 32 * 32 * 3), frames: 9, height: 32, width: 32, fps: 8 };
    expect(centroids(dark)).toEqual(new Array(9).fill(null));
    expect(digitMotion(dark).still).toBe(true);
  });
});

describe('caption fidelity', () => {
  test('true clips have colour, direction and speed right, whatever an untrained classifier says of the digit', async () => {
    const net = classifier.init(CLASSIFIER, random.key(1));
    const made = Array.from({ length: 70 }, (_, index) => digits.clip(index, { split: 'test' }));
    const report = await captionFidelity(
      made.map(({ clip }) => clip),
      made.map(({ label }) => label),
      net,
    );
    expect([report.colour.estimate, report.direction.estimate, report.speed.estimate]).toEqual([1, 1, 1]);
    expect(report.still.estimate).toBe(0);
    expect(report.digit.estimate).toBeLessThan(0.6);
    expect(report.all.estimate).toBeLessThanOrEqual(report.digit.estimate);
    expect(report.clips).toHaveLength(70);
    await expect(captionFidelity([], [], net)).rejects.toThrow('one for each clip');
    net.dispose();
  });

  test('a still clip has neither direction nor speed right', async () => {
    const net = classifier.init(CLASSIFIER, random.key(1));
    const { clip, label } = digits.clip(0, { still: true });
    const report = await captionFidelity([clip], [label], net);
    expect([report.still.estimate, report.direction.estimate, report.speed.estimate]).toEqual([1, 0, 0]);
    net.dispose();
  });

  test('the classifier sees neither colour nor the rest of the batch', () => {
    const net = classifier.init(CLASSIFIER, random.key(2));
    const glyph = digits.exemplar(7, 3, 'train');
    const frames = (['red', 'white', 'blue'] as const).map((colour) => {
      const frame = new Float32Array(32 * 32 * 3);
      digits.paint(frame, glyph, colour, 5, 9);
      return frame;
    });
    const logits = (list: Float32Array[]): Float32Array =>
      tf.tidy(() => {
        const data = Float32Array.from(list.flatMap((frame) => [...frame]));
        return classifierForward(net, tf.tensor4d(data, [list.length, 32, 32, 3])).dataSync();
      }) as Float32Array;
    const together = logits(frames);
    expect(together.subarray(10, 20)).toBeAllClose(together.subarray(0, 10), { atol: 1e-5 });
    expect(logits(frames.slice(2))).toBeAllClose(together.subarray(20), { atol: 1e-5 });
    net.dispose();
  });
});
