import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Clip, createClip, readImage, readVideo, writeVideo } from '../../src/io/index.ts';
import { encodeVideo, findFfmpeg, runFfmpeg } from '../../src/io/internal.ts';
import * as show from '../../src/show/index.ts';
import { movingDisc } from '../show/clips.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'video-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** An ffmpeg that is a shell script. */
async function pretend(script: string, name: string = 'ffmpeg'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** A package with an ffmpeg in it, installed in the folder. */
async function install(name: string): Promise<string> {
  const home = join(folder, 'node_modules', name);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'package.json'), JSON.stringify({ name }));
  return pretend('exit 0', join('node_modules', name, 'ffmpeg'));
}

/** No ffmpeg anywhere: an empty PATH. A binary of an installed package would still be found. */
function withoutFfmpeg(): void {
  vi.stubEnv('FFMPEG_BIN', '');
  vi.stubEnv('PATH', '');
}

const clip = movingDisc();
const ffmpeg = await findFfmpeg();

describe('animated WebP', () => {
  test('keeps frames, size and rate; enlarged clips keep every pixel', async () => {
    const path = join(folder, 'a.webp');
    const written = await writeVideo(path, clip, { enlarge: 4 });
    expect(written).toMatchObject({ codec: 'webp', mime: 'image/webp', height: 64, width: 96, frames: 5, fps: 8 });
    const read = await readVideo(path);
    expect([read.frames, read.height, read.width, read.fps]).toEqual([5, 64, 96, 8]);
    const [size, row] = [96 * 3, 64 * 96 * 3];
    for (const [frame, y, x] of [
      [0, 8, 6],
      [4, 8, 14],
      [2, 0, 0],
    ] as const) {
      const pixel = (frame * 16 * 24 + y * 24 + x) * 3;
      const enlarged = frame * row + 4 * y * size + 4 * x * 3;
      expect(read.data.slice(enlarged, enlarged + 3)).toBeAllClose(clip.data.slice(pixel, pixel + 3), {
        atol: 0.5 / 255 + 1e-6,
      });
    }
  });

  /** A clip of one value a frame, each a level of 8 bits. */
  function flat(levels: readonly number[], fps: number): Clip {
    const data = Float32Array.from({ length: levels.length * 8 * 6 * 3 }, (_, i) => levels[Math.floor(i / 144)]! / 255);
    return createClip(data, { frames: levels.length, height: 8, width: 6, fps });
  }

  test.each([
    ['different frames', [0, 50, 100, 150], 8],
    ['repeated frames', [0, 0, 90, 90, 90, 0, 7], 16],
    ['each frame twice', [10, 10, 20, 20, 30, 30], 24],
    ['a clip that stands still', [80, 80, 80, 80, 80], 12.5],
    ['a long stop', [1, ...Array<number>(80).fill(200)], 16],
    ['one frame', [33], 16],
  ])('%s come back, frame by frame and bit by bit', async (_, levels, fps) => {
    const path = join(folder, 'a.webp');
    const source = flat(levels, fps);
    await writeVideo(path, source, { enlarge: 2, provenance: { prompt: '数字 "clip"', frames: '99' } });
    const read = await readVideo(path);
    expect([read.frames, read.height, read.width, read.fps]).toEqual([levels.length, 16, 12, fps]);
    const corners = levels.map((_level, frame) => Math.round(read.data[frame * 16 * 12 * 3]! * 255));
    expect(corners).toEqual(levels);
  });

  test('of other origin are read picture by picture; how long they stay is timing', async () => {
    const path = join(folder, 'a.gif');
    const raw = { width: 4, height: 12, channels: 3 as const, pageHeight: 4 };
    const pixels = Buffer.concat([0, 128, 255].map((level) => Buffer.alloc(48, level)));
    await sharp(pixels, { raw })
      .gif({ delay: [50, 150, 100] })
      .toFile(path);
    const read = await readVideo(path);
    expect([read.frames, read.fps]).toEqual([3, 10]);
    const greys = (clip: Clip) =>
      Array.from({ length: clip.frames }, (_, frame) => Math.round(clip.data[frame * 48]! * 255));
    expect(greys(read)).toEqual([0, 128, 255]);
    expect(greys(await readVideo(path, { fps: 20 }))).toEqual([0, 128, 128, 128, 255, 255]);
  });

  test('reads no more frames than wanted', async () => {
    const path = join(folder, 'a.webp');
    await writeVideo(path, clip);
    expect((await readVideo(path, { maxFrames: 2 })).frames).toBe(2);
    await writeVideo(path, flat([9, 9, 9], 8));
    expect((await readVideo(path, { maxFrames: 2 })).frames).toBe(2);
  });
});

if (ffmpeg) {
  describe('H.264', () => {
    test.each([
      [16, 24, 1],
      [15, 21, 1],
      [7, 5, 3],
    ])('%i by %i times %i comes back within a bound', async (height, width, enlarge) => {
      const path = join(folder, 'a.mp4');
      const source = movingDisc({ height, width, frames: 6 });
      const written = await writeVideo(path, source, { enlarge, quality: 100 });
      expect(written.codec).toBe('h264');
      expect([written.height % 2, written.width % 2]).toEqual([0, 0]);
      const read = await readVideo(path);
      expect([read.frames, read.height, read.width]).toEqual([6, written.height, written.width]);
      expect(read.fps).toBeCloseTo(8);
      const corner = read.data.slice(0, 3); // the colours survive, so writer and reader agree on the matrix
      expect(corner).toBeAllClose([0.1, 0.1, 0.1], { atol: 0.03 });
      const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(mean(read.data)).toBeCloseTo(mean(source.data), 1);
    });

    test('saturated colours come back', async () => {
      const path = join(folder, 'a.mp4');
      const pixel = Float32Array.of(0.9, 0.1, 0.2);
      const data = Float32Array.from({ length: 2 * 32 * 32 * 3 }, (_, i) => pixel[i % 3]!);
      await writeVideo(path, createClip(data, { frames: 2, height: 32, width: 32, fps: 4 }), {
        enlarge: 1,
        quality: 100,
      });
      const read = await readVideo(path);
      expect(read.data.slice(48, 51)).toBeAllClose(pixel, { atol: 0.03 });
    });

    test('auto takes it', async () => {
      expect(await encodeVideo(clip)).toMatchObject({ codec: 'h264', encoder: `ffmpeg (${ffmpeg.from})` });
    });

    test('the file says where it comes from', async () => {
      const path = join(folder, 'a.mp4');
      await writeVideo(path, clip, { provenance: { seed: '7', prompt: 'a = b; "c"' } });
      const { output } = await runFfmpeg(ffmpeg.path, ['-i', path, '-f', 'ffmetadata', 'pipe:1']);
      const [, comment = ''] = /^comment=(.*)$/m.exec(output.toString()) ?? [];
      expect(JSON.parse(comment.replace(/\\([=;#\\])/g, '$1'))).toEqual({ seed: '7', prompt: 'a = b; "c"' });
    });

    test('a figure of it has the first frame as its poster', async () => {
      const html = await show.clip({ disc: clip }).toHtml();
      const [, poster = ''] = /<video [^>]*poster="data:image\/webp;base64,([^"]+)"/.exec(html) ?? [];
      const { data, width } = await readImage(Buffer.from(poster, 'base64'));
      expect(width / clip.width).toBe(Math.floor(256 / 24));
      expect(data.slice(0, 3)).toBeAllClose(
        clip.data.slice(0, 3).map((value) => 255 * value),
        { atol: 4 },
      );
    });

    test('a file that is no video is refused with ffmpeg’s reason', async () => {
      await writeFile(join(folder, 'a.mp4'), 'not a video');
      await expect(readVideo(join(folder, 'a.mp4'))).rejects.toThrow(/Invalid data/);
    });
  });
}

describe('finding ffmpeg', () => {
  test('FFMPEG_BIN comes first, and must be a program', async () => {
    const path = await pretend('exit 0', 'mine');
    expect(await findFfmpeg({ FFMPEG_BIN: path, PATH: '' })).toEqual({ path, from: 'FFMPEG_BIN' });
    await expect(findFfmpeg({ FFMPEG_BIN: '/nowhere/ffmpeg' })).rejects.toThrow('FFMPEG_BIN is "/nowhere/ffmpeg"');
  });

  test('then ffmpeg-static, PATH in its order, and @ffmpeg-installer/ffmpeg', async () => {
    const carried = await install(`@ffmpeg-installer/${process.platform}-${process.arch}`);
    await mkdir(join(folder, 'empty'));
    expect(await findFfmpeg({ PATH: join(folder, 'empty') }, [folder])).toEqual({
      path: carried,
      from: '@ffmpeg-installer/ffmpeg',
    });
    const path = await pretend('exit 0');
    const search = { PATH: `${join(folder, 'empty')}${delimiter}${folder}` };
    expect(await findFfmpeg(search, [folder])).toEqual({ path, from: 'PATH' });
    const fetched = await install('ffmpeg-static');
    expect(await findFfmpeg(search, [folder])).toEqual({ path: fetched, from: 'ffmpeg-static' });
    await chmod(fetched, 0o644);
    expect(await findFfmpeg(search, [folder])).toEqual({ path, from: 'PATH' });
  });

  test('without one clips are WebP, and H.264 names the ways to get it', async () => {
    withoutFfmpeg();
    if (await findFfmpeg()) return;
    expect((await encodeVideo(clip)).codec).toBe('webp');
    await expect(encodeVideo(clip, { codec: 'h264' })).rejects.toThrow('apt install ffmpeg');
    await writeFile(join(folder, 'a.mp4'), '');
    await expect(readVideo(join(folder, 'a.mp4'))).rejects.toThrow('needs ffmpeg');
    await writeFile(join(folder, 'broken.webp'), 'no picture');
    await expect(readVideo(join(folder, 'broken.webp'))).rejects.toThrow('neither WebP nor GIF');
  });

  test('an ffmpeg that fails is quoted; auto goes on with WebP', async () => {
    vi.stubEnv('FFMPEG_BIN', await pretend('echo "Unknown encoder libx264" >&2; exit 1'));
    await expect(encodeVideo(clip, { codec: 'h264' })).rejects.toThrow('ended with 1: Unknown encoder libx264');
    expect((await encodeVideo(clip)).codec).toBe('webp');
  });

  test('a program that stops reading early does not hang', async () => {
    const program = await pretend('head -c 10 >/dev/null; exit 0');
    const chunks = Array.from({ length: 64 }, () => new Uint8Array(1 << 16));
    await expect(runFfmpeg(program, [], chunks)).resolves.toMatchObject({ messages: '' });
  });
});

test('faults name what was received and leave no file', async () => {
  await expect(writeVideo(join(folder, 'a.avi'), clip)).rejects.toThrow('.mp4 or .webp');
  await expect(encodeVideo(clip, { enlarge: 1.5 })).rejects.toThrow('received 1.5');
  await expect(readVideo(join(folder, 'missing.mp4'))).rejects.toThrow('ENOENT');
  await expect(readVideo(join(folder, 'a.webp'), { maxFrames: 0 })).rejects.toThrow('received 0');
  expect(await readdir(folder)).toEqual([]);
});
