import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Cell } from '../../kernel/notebook/document.ts';
import { RunLog } from '../../kernel/notebook/run-log.ts';

const heading: Cell = { cell_type: 'markdown', source: ['# Title\n', 'text\n', '## Phase 1'], metadata: {} };
const bar = { 'text/html': '<div><progress value="2"></progress></div>', 'text/plain': 'updates 2/9' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function logTo(stream: { isTTY?: boolean; columns?: number }): { log: RunLog; text: () => string } {
  let text = '';
  const write = (more: string): void => {
    text += more;
  };
  return { log: new RunLog(false, { ...stream, write }), text: () => text };
}

test('a cell is named by the nearest heading above it; long ones are heard of again and again', () => {
  const { log, text } = logTo({});
  const { onCell, onDisplay } = log.listeners();
  onCell?.(3, 9, [heading]);
  vi.advanceTimersByTime(5000);
  onDisplay?.({ 'text/html': '<b>no bar</b>', 'text/plain': 'no bar' });
  onDisplay?.(bar);
  vi.advanceTimersByTime(5000);
  log.end();
  vi.advanceTimersByTime(60_000);
  expect(text()).toBe('cell 3 of 9: Phase 1\n  5 s · Phase 1\n  10 s · updates 2/9\n');
});

test('on a terminal progress stays in one line, cut to its width, and text starts a new one', () => {
  const { log, text } = logTo({ isTTY: true, columns: 12 });
  const { onCell, onDisplay, onText } = log.listeners();
  onCell?.(1, 1, []);
  onDisplay?.(bar);
  vi.advanceTimersByTime(1000);
  onText?.('said\n');
  log.say('done');
  expect(text()).toBe('cell 1 of 1\n\r\u001b[K  1 s · upd\r\u001b[K  1 s · upd\nsaid\ndone\n');
});

test('a quiet run says nothing', () => {
  let written = 0;
  const log = new RunLog(true, { write: () => written++ });
  expect(log.listeners()).toEqual({});
  log.say('wrote it');
  expect(written).toBe(0);
});
