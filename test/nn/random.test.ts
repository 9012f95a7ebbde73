import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { random } from '../../src/nn/index.ts';
import { philox } from '../../src/nn/philox.ts';

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

function digest(array: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    .digest('hex');
}

// Known answers published with the Random123 library (philox 4x32 10).
const knownAnswers = [
  { counter: [0, 0, 0, 0], key: [0, 0], out: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    out: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    out: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];

test.each(knownAnswers)('Philox known answer $key', ({ counter, key, out }) => {
  const words = Uint32Array.from(counter);
  philox(words, key[0]!, key[1]!);
  expect([...words]).toEqual(out);
});

describe('key', () => {
  test('draws the raw Philox blocks of its seed', () => {
    expect([...random.key(0).words(4)]).toEqual(knownAnswers[0]!.out);
    expect([...random.key(0).words(3)]).toEqual(knownAnswers[0]!.out.slice(0, 3));
  });

  test('is a value: the same draw twice is the same, a longer draw starts with the shorter one', () => {
    const key = random.key(3).stream('noise');
    expect(key.normal([5]).data).toEqual(random.key(3).stream('noise').normal([5]).data);
    expect([...key.normal([40]).data.slice(0, 5)]).toEqual([...key.normal([5]).data]);
  });

  test('seeds, names and nesting all separate streams', () => {
    const root = random.key(1);
    const keys = [
      root,
      random.key(2),
      random.key('1'),
      random.key(2n ** 40n),
      root.stream('a'),
      root.stream('b'),
      root.stream('ab'),
      root.stream('a').stream('b'),
      root.stream('b').stream('a'),
      root.stream(''),
      root.stream('\0'),
      root.stream('a name longer than a block of sixteen bytes'),
    ];
    expect(new Set(keys.map((key) => key.id)).size).toBe(keys.length);
    expect(root.stream(7).id).toBe(root.stream('7').id);
  });

  test('normal numbers keep their published bits', () => {
    const { data, shape } = random.key(2026).stream('golden').normal([3, 1000]);
    expect(shape).toEqual([3, 1000]);
    expect(digest(data)).toBe('a15921234e46a1306bf9852f6c7fa5313f40afc4f2052bd6ecc9e5df970b5b1c');
  });

  test('normal numbers are normal', () => {
    const { data } = random.key('moments').normal([100_000]);
    expect(Math.abs(mean(data))).toBeLessThan(0.01);
    expect(mean(data.map((x) => x * x))).toBeCloseTo(1, 1);
    expect(mean(data.map((x) => x ** 4))).toBeCloseTo(3, 0);
    expect(mean(data.map((x) => Number(Math.abs(x) < 1)))).toBeCloseTo(0.6827, 2);
    const neighbours = data.slice(0, -1).map((x, i) => x * data[i + 1]!);
    expect(Math.abs(mean(neighbours))).toBeLessThan(0.01);
  });

  test('its elementary functions agree with Math', () => {
    const words = random.key('w').words(2000);
    const { data } = random.key('w').normal([2000]);
    for (let i = 0; i < 2000; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((words[i]! + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * words[i + 1]!) / 2 ** 32;
      expect(Math.abs(data[i]! - radius * Math.cos(angle))).toBeLessThan(5e-7);
      expect(Math.abs(data[i + 1]! - radius * Math.sin(angle))).toBeLessThan(5e-7);
    }
  });

  test('uniform numbers and integers stay inside their bounds and fill them', () => {
    const { data } = random.key(5).uniform([20_000], -1, 3);
    expect(Math.min(...data)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...data)).toBeLessThan(3);
    expect(mean(data)).toBeCloseTo(1, 1);
    const counts = [0, 0, 0, 0];
    for (const value of random.key(5).integers(-2, 2, 20_000)) counts[value + 2]!++;
    for (const count of counts) expect(Math.abs(count - 5000)).toBeLessThan(250);
  });

  test('a permutation holds each number once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.integer(), (size, seed) => {
        const order = random.key(seed).permutation(size);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
      }),
      { numRuns: 30 },
    );
  });

  test('all orders of three are about equally likely', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = random.key(9).stream(i).permutation(3).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  test('choice takes from the list and refuses an empty one', () => {
    expect(['a', 'b']).toContain(random.key(1).choice(['a', 'b']));
    expect(() => random.key(1).choice([])).toThrow('items is empty');
  });

  test('faults name what was received', () => {
    expect(() => random.key(0.5)).toThrow('received 0.5');
    expect(() => random.key(1).integers(3, 3, 1)).toThrow('low 3, high 3');
    expect(() => random.key(1).normal([-2])).toThrow('received -2');
  });
});

// Values of torch.manual_seed(...) followed by the calls named, PyTorch 2 on CPU.
describe('torch generator', () => {
  test('takes the seeds that PyTorch takes', () => {
    expect(random.torch(-2).uniform([1]).data).toEqual(random.torch(2n ** 64n - 2n).uniform([1]).data);
    expect(random.torch(-2).uniform([1]).data[0]).toBeCloseTo(0.2907, 4);
    for (const seed of [2n ** 64n, -(2n ** 63n) - 1n, 2 ** 53, 0.5, Number.NaN]) {
      expect(() => random.torch(seed)).toThrow(/^seed: wanted/);
    }
  });

  test('short draws continue one sequence', () => {
    const torch = random.torch(7);
    expect(torch.normal([3]).data).toBeAllClose([-0.1467950940132141, 0.7861412763595581, 0.9468216300010681], {
      atol: 1e-6,
    });
    expect(torch.normal([5]).data).toBeAllClose(
      [-1.1143440008163452, 1.6907901763916016, -0.8948279023170471, -0.3556250333786011, 1.2323857545852661],
      { atol: 1e-6 },
    );
    const twenty = torch.normal([4, 5]).data;
    expect(twenty.slice(0, 4)).toBeAllClose(
      [-1.5826646089553833, -0.32456663250923157, 1.9263681173324585, -0.3300117254257202],
      { atol: 2e-6 },
    );
    expect(twenty.slice(16)).toBeAllClose(
      [-1.6370213031768799, 0.1577119082212448, 0.39574092626571655, -1.3677396774291992],
      { atol: 2e-6 },
    );
    expect(torch.normal([4]).data).toBeAllClose(
      [1.8149727582931519, -0.6028482913970947, 1.6148147583007812, 1.9301981925964355],
      { atol: 1e-6 },
    );
  });

  test('long draws, mixed with short ones and uniforms', () => {
    const torch = random.torch(42);
    const { data } = torch.normal([2, 3, 8]);
    expect(data.slice(0, 4)).toBeAllClose(
      [1.9269152879714966, 1.4872840642929077, 0.9007171988487244, -2.1055209636688232],
      { atol: 2e-6 },
    );
    expect(data.slice(-4)).toBeAllClose(
      [-1.2741512060165405, 2.1227850914001465, -1.234653115272522, -0.4879138767719269],
      { atol: 2e-6 },
    );
    expect(torch.normal([2]).data).toBeAllClose([0.2815195620059967, 0.056163541972637177], { atol: 1e-6 });
    expect(torch.uniform([3]).data).toBeAllClose([0.11648857593536377, 0.9102694392204285, 0.6440156698226929], {
      atol: 1e-7,
    });
  });

  test('a length that is no multiple of 16 draws its last 16 anew', () => {
    const { data } = random.torch(0).normal([17, 59]);
    const picked = [0, 15, 16, 500, 986, 987, 990, 1002].map((i) => data[i]!);
    expect(picked).toBeAllClose(
      [
        -1.1258398294448853, -0.2472781538963318, -1.3526537418365479, -0.16421619057655334, 0.049964603036642075,
        -0.36541038751602173, -0.5608333349227905, 1.2853788137435913,
      ],
      { atol: 2e-6 },
    );
  });

  test('seeds beyond 32 bits', () => {
    expect(random.torch(2 ** 40 + 5).normal([2]).data).toBeAllClose([-0.4867807626724243, -0.6038215756416321], {
      atol: 1e-6,
    });
  });
});
