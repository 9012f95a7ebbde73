import { expect, test } from 'vitest';
import { ProgressLine } from '../../src/cli/progress.ts';

function recorded(isTTY: boolean) {
  const written: string[] = [];
  let now = 0;
  const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  return {
    written,
    line: new ProgressLine(stream, () => now),
    wait: (ms: number) => {
      now += ms;
    },
  };
}

test('a terminal gets one line, updated in place at most ten times a second, closed at the end', () => {
  const { written, line, wait } = recorded(true);
  for (let done = 1; done <= 100; done++) {
    line.update({ stage: 'teacher', done, total: 100, values: { loss: 0.5 } });
    wait(10);
  }
  line.end();
  expect(written.length).toBeLessThan(15);
  expect(written[0]).toBe('\r\u001b[Kteacher: 1/100 1% loss 0.500 (0 s)');
  expect(written.at(-2)).toBe('\r\u001b[Kteacher: 100/100 100% loss 0.500 (1 s, 100/s)');
  expect(written.at(-1)).toBe('\n');
});

test('a line is never longer than the terminal is wide', () => {
  const { written, line } = recorded(true);
  line.update({ stage: 'a'.repeat(200), done: 1, total: 2, values: {} });
  expect(written[0]!.replace('\r\u001b[K', '')).toHaveLength(59);
});

test('a log gets plain lines: each stage, its end, and one every five seconds between', () => {
  const { written, line, wait } = recorded(false);
  for (let done = 1; done <= 12; done++) {
    line.update({ stage: 'ode', done, total: 12, values: {} });
    wait(1000);
  }
  line.say('a notice');
  expect(written).toEqual([
    'ode: 1/12 8% (0 s)\n',
    'ode: 6/12 50% (5 s, 1/s, 6 s left)\n',
    'ode: 11/12 91% (10 s, 1/s, 1 s left)\n',
    'ode: 12/12 100% (11 s, 1/s)\n',
    'a notice\n',
  ]);
});

test('a log of hours gets a line a minute', () => {
  const { written, line, wait } = recorded(false);
  for (let done = 1; done <= 360; done++) {
    line.update({ stage: 'teacher', done, total: 1000, values: {} });
    wait(10_000);
  }
  expect(written).toHaveLength(4 + 59);
  expect(written.at(-1)).toBe('teacher: 358/1000 35% (60 min, 10 s each, 1.8 h left)\n');
});

test('a resumed stage is timed from where it goes on', () => {
  const { written, line, wait } = recorded(false);
  line.update({ stage: 'teacher', done: 600, total: 1000, values: {} });
  wait(10_000);
  line.update({ stage: 'teacher', done: 700, total: 1000, values: {} });
  expect(written).toEqual(['teacher: 600/1000 60% (0 s)\n', 'teacher: 700/1000 70% (10 s, 10/s, 30 s left)\n']);
});

test('work without steps to count is announced by its name', () => {
  const { written, line } = recorded(false);
  line.update({ stage: 'report', done: 0, total: 1, values: {} });
  expect(written).toEqual(['report\n']);
});
