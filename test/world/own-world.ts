/** A world as a notebook's cell would write it: lights of two colours that move over a dark ground. */
import { createClip } from '../../src/io/index.ts';
import { random } from '../../src/nn/index.ts';
import { defineWorld, type PreferenceTask, preferenceJudges, type World } from '../../src/world/index.ts';

const [frames, size] = [9, 16];
const tints = { red: [1, 0.2, 0.1], blue: [0.1, 0.3, 1] } as const;
type Tint = keyof typeof tints;
const steps = { left: -1, right: 1 } as const;
const captions = (Object.keys(tints) as Tint[]).flatMap((tint) =>
  Object.keys(steps).map((way) => `a ${tint} light moves ${way}`),
);

function paint(out: Float32Array, tint: Tint, [x, y]: readonly [number, number]): void {
  for (let i = 0; i < size * size; i++) {
    const light = Math.exp((-(((i % size) - x) ** 2) - (Math.floor(i / size) - y) ** 2) / 4);
    for (let c = 0; c < 3; c++) out[3 * i + c] = light * tints[tint][c]!;
  }
}

const identity = { id: 'lights', options: { frames } };

const task: PreferenceTask = {
  world: identity,
  words: ['a', 'light', 'moves', ...Object.keys(tints), ...Object.keys(steps)],
  size,
  attributes: { tint: 2 },
  picture: (key, split) => side(key.stream(split).stream('picture'), key.stream('tint').choice(['red', 'blue'])),
  pair: (key, split) => {
    const better = side(key.stream(split), key.stream('tint').choice(['red', 'blue']));
    const other = better.shown['tint'] === 0 ? 'blue' : 'red';
    return { kind: 'tint', better, worse: { ...side(key.stream(split), other), caption: better.caption } };
  },
};

function side(key: ReturnType<typeof random.key>, tint: Tint) {
  const picture = new Float32Array(size * size * 3);
  paint(picture, tint, [key.stream('x').integer(0, size), key.stream('y').integer(0, size)]);
  return { picture, shown: { tint: tint === 'red' ? 0 : 1 }, caption: `a ${tint} light moves left` };
}

/** The world of lights, with judges of its own where they are asked for. */
export function lights(options: { judges: boolean } = { judges: false }): World<{ y: number }> {
  return defineWorld({
    ...identity,
    origin: 'drawn for tests',
    size: { frames, height: size, width: size, fps: 8 },
    words: task.words,
    captions,
    heldOut: captions.slice(-1),
    ...(options.judges && { judges: preferenceJudges(task) }),
    clip: (index, { seed = 0, split = 'train', prompt }) => {
      const key = random.key(seed).stream(split).stream(index);
      const caption = prompt ?? key.stream('caption').choice(captions.slice(0, -1));
      const [, tint, , , way] = caption.split(' ') as [string, Tint, string, string, keyof typeof steps];
      const y = key.stream('y').integer(3, size - 3);
      const data = new Float32Array(frames * size * size * 3);
      for (let f = 0; f < frames; f++) {
        paint(data.subarray(f * size * size * 3), tint, [size / 2 + steps[way] * (f - frames / 2), y]);
      }
      return { clip: createClip(data, { frames, height: size, width: size, fps: 8 }), caption, truth: { y } };
    },
  });
}
