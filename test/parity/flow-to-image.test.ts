import { expect, test } from 'vitest';
import type { RgbImage } from '../../src/io/index.ts';
import { type FlowField, flowMaximum, flowToImage } from '../../src/show/flow.ts';
import { fixture, largestError, report } from './fixtures.ts';

const data = fixture('flow-to-image');
const stored = await data.tensors();
const [count = 0, , height = 0, width = 0] = stored.shape('flow');

/** [B, 2, H, W] as one field per sample. */
const fields: FlowField[] = Array.from({ length: count }, (_, i) => {
  const [start, size] = [2 * i * height * width, height * width];
  const all = stored.values('flow') as Float32Array;
  return { u: all.slice(start, start + size), v: all.slice(start + size, start + 2 * size), height, width };
});

/** [H, W, 3] as [3, H, W]. */
function planes({ data: pixels }: RgbImage): number[] {
  return [0, 1, 2].flatMap((channel) => Array.from(pixels).filter((_, i) => i % 3 === channel));
}

test('a batch in the colours of one common maximum', () => {
  const maximum = flowMaximum(fields);
  const drawn = fields.flatMap((field) => planes(flowToImage(field, maximum)));
  const expected = stored.host('image_batch').data as Uint8Array;
  report('flow-to-image batch', largestError(drawn, expected));
  expect(drawn).toBeAllClose(expected, { atol: 1 });
});

test('one field by its own maximum', () => {
  const drawn = planes(flowToImage(fields[1]!));
  const expected = stored.host('image_single').data as Uint8Array;
  report('flow-to-image single', largestError(drawn, expected));
  expect(drawn).toBeAllClose(expected, { atol: 1 });
});
