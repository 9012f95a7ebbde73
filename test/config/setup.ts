import { afterEach, beforeEach, expect, vi } from 'vitest';

/** A library that prints is a bug: any console call fails the test that made it. */
const spied = ['log', 'info', 'warn', 'error', 'debug'] as const;
let calls: string[] = [];

beforeEach(() => {
  calls = [];
  for (const name of spied) {
    vi.spyOn(console, name).mockImplementation((...args: unknown[]) => {
      calls.push(`console.${name}(${args.map(String).join(' ')})`);
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  if (calls.length > 0) throw new Error(`the code under test printed: ${calls.join('; ')}`);
});

interface Close {
  rtol?: number;
  atol?: number;
}

/** |received - expected| <= atol + rtol * max|expected|, element by element; NaN never passes. */
function toBeAllClose(received: ArrayLike<number>, expected: ArrayLike<number>, { rtol = 0, atol = 1e-4 }: Close = {}) {
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i] ?? 0));
  const bound = atol + rtol * scale;
  let worst = 0;
  let at = -1;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs((received[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (!(error <= worst)) {
      worst = error;
      at = i;
      if (Number.isNaN(error)) break;
    }
  }
  const pass = received.length === expected.length && worst <= bound;
  return {
    pass,
    message: () =>
      `lengths ${received.length} and ${expected.length}, worst error ${worst} at ${at} ` +
      `(received ${received[at]}, expected ${expected[at]}), bound ${bound}`,
  };
}

expect.extend({ toBeAllClose });

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: must repeat the declaration that it extends
  interface Matchers<T = any> {
    toBeAllClose(expected: ArrayLike<number>, close?: Close): T;
  }
}
