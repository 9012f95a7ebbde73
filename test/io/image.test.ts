import { describe, expect, test } from 'vitest';
import { createClip, readImage } from '../../src/io/index.ts';
import { addPngText, encodePng, enlargement, frameImage } from '../../src/io/internal.ts';
import { readPngText } from './png-text.ts';

const image = { data: Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => 14 * i), height: 2, width: 3 };

test('PNG files hold the same pixels and the texts given', async () => {
  const png = await encodePng(image, { prompt: 'Ein „roter“ Kreis 三', seed: 7 });
  expect(await readImage(png)).toEqual(image);
  expect([...readPngText(png)]).toEqual([
    ['prompt', 'Ein „roter“ Kreis 三'],
    ['seed', '7'],
  ]);
});

test('texts can be added one after the other and leave the pixels alone', async () => {
  const png = addPngText(addPngText(await encodePng(image), { a: 'x' }), { b: '' });
  expect(new Map(readPngText(png))).toEqual(
    new Map([
      ['b', ''],
      ['a', 'x'],
    ]),
  );
  expect((await readImage(png)).data).toEqual(image.data);
});

describe('frameImage', () => {
  const clip = createClip(Float32Array.of(0, 0.5, 1, -1, 2, Number.NaN), { frames: 1, height: 1, width: 2, fps: 1 });

  test('cuts and rounds values', () => {
    expect([...frameImage(clip, 0).data]).toEqual([0, 128, 255, 0, 255, 0]);
  });

  test('repeats pixels by a whole factor', () => {
    const { data, height, width } = frameImage(clip, -1, 2);
    expect([height, width]).toEqual([2, 4]);
    const row = [0, 128, 255, 0, 128, 255, 0, 255, 0, 0, 255, 0];
    expect([...data]).toEqual([...row, ...row]);
  });
});

test('small frames are enlarged to about 256 pixels, large ones left alone', () => {
  expect([16, 32, 100, 256, 480].map((side) => enlargement({ height: side, width: 8 }))).toEqual([16, 8, 2, 1, 1]);
});

test('faults name what was received', async () => {
  await expect(encodePng({ ...image, width: 4 })).rejects.toThrow('[2, 4, 3] needs 24 bytes, received 18');
  await expect(encodePng(image, { '': 'x' })).rejects.toThrow('keyword');
  await expect(readImage('/nowhere/a.png')).rejects.toThrow('/nowhere/a.png');
  await expect(readImage(Uint8Array.of(1, 2, 3))).rejects.toThrow('3 bytes');
});
