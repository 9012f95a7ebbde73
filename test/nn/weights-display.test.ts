import { expect, test } from 'vitest';
import { weightsBundle as bundleOf } from '../../src/nn/weights-display.ts';

const weights = [
  { name: 'patch.weight', shape: [8, 4], dtype: 'float32' },
  { name: 'blocks.0.q.weight', shape: [8, 8], dtype: 'float32' },
  { name: 'blocks.1.q.weight', shape: [8, 8], dtype: 'float32' },
  { name: 'scale', shape: [], dtype: 'float32' },
];

function weightsBundle(listed: readonly { name: string; shape: number[]; dtype: string }[]): Record<string, string> {
  return bundleOf(listed.map(({ name, ...weight }) => [name, weight]));
}

test('the text counts tensors, parameters and bytes, and is a tree', () => {
  expect(weightsBundle(weights)['text/plain']).toBe(
    [
      'Weights · 4 tensors · 161 parameters · 644 B',
      '  scale [] float32',
      '  patch (32)',
      '    weight [8, 4] float32',
      '  blocks (128)',
      '    0 (64)',
      '      q (64)',
      '        weight [8, 8] float32',
      '    1 (64)',
      '      q (64)',
      '        weight [8, 8] float32',
    ].join('\n'),
  );
});

test('a long text is cut and says by how much', () => {
  const many = Array.from({ length: 60 }, (_, i) => ({ name: `w${i}`, shape: [1], dtype: 'float32' }));
  expect(weightsBundle(many)['text/plain']).toMatch(/w39 \[1\] float32\n… 20 more$/);
});

test('the HTML holds every weight, escaped, in branches that open', () => {
  const html = weightsBundle([...weights, { name: 'a<b.c', shape: [2], dtype: 'int32' }])['text/html'] ?? '';
  expect(html.match(/<details/g)).toHaveLength(8);
  expect(html).toContain('a&lt;b');
  expect(html).not.toContain('a<b');
  expect(html).toContain('[2] int32');
});

test('no weights are shown as none', () => {
  expect(weightsBundle([])['text/plain']).toBe('Weights · 0 tensors · 0 parameters · 0 B');
});
