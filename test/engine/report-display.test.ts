import { expect, test } from 'vitest';
import { displayedReport } from '../../src/engine/display.ts';
import type { EngineReport } from '../../src/engine/index.ts';

const report: EngineReport = {
  name: 'onnx',
  device: 'cpu (linux x64)',
  threads: 1,
  precision: 'float32',
  versions: { runtime: '1.30.0' },
  memoryBytes: 3 * 2 ** 20,
  graphs: { compiles: 2, compileMs: 1500, kept: 2, runs: 7, pending: 0 },
  fallbacks: { 'Cumsum<T>': 3 },
};
const bundle = (shown: EngineReport): Record<string, string> =>
  (shown as unknown as Record<symbol, () => Record<string, string>>)[Symbol.for('Jupyter.display')]!();

test('a notebook shows a report as a table and as text', () => {
  const shown = bundle(displayedReport({ ...report }));
  expect(shown['text/plain']).toMatch(/^engine +onnx on cpu \(linux x64\), 1 thread, float32$/m);
  expect(shown['text/plain']).toMatch(/^tensors held +3\.0 MB$/m);
  expect(shown['text/plain']).toMatch(/^fallbacks +Cumsum<T> 3$/m);
  expect(shown['text/html']).toMatch(/^<table>.*Cumsum&lt;T&gt; 3.*<\/table>$/);
});

test('as data it stays what it was', () => {
  expect(displayedReport({ ...report })).toEqual(report);
  expect(JSON.stringify(displayedReport({ ...report }))).toBe(JSON.stringify(report));
  expect(bundle(displayedReport({ ...report, fallbacks: {} }))['text/plain']).toMatch(/^fallbacks +none$/m);
});
