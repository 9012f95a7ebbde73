import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import type { HackingSignals } from '../../src/evaluate/index.ts';
import { hacking } from '../../src/show/index.ts';

const healthy: HackingSignals = {
  reward: 0,
  heldOut: 0,
  highFrequency: 0.1,
  saturated: 0.1,
  chroma: 0.2,
  robustnessGap: 0.1,
  promptMargin: 1,
  lastMinusOthers: 0,
  gradientNorm: null,
  dynamicDegree: 1,
};

async function pageOf(...signals: HackingSignals[]): Promise<Document> {
  return parseHTML(await hacking(signals.map((each, i) => ({ step: 50 * i, signals: each }))).toHtml()).document;
}

test('one page names the alarms with advice, and draws every signal that was measured', async () => {
  const page = await pageOf(healthy, { ...healthy, highFrequency: 0.3, dynamicDegree: 0.5 });
  expect(page.querySelector('.summary')?.textContent).toBe('Steps 0 to 50. Alarms: static video, fine texture.');
  const [first] = page.querySelectorAll('#s1 tbody tr');
  expect(first?.textContent).toMatch(/static video.*alarm.*50\.0 %.*supervise the last frame only/);
  expect(page.querySelectorAll('#s3 figure')).toHaveLength(7); // no gradient was measured
  expect(page.querySelector('#s4')?.textContent).toMatch(/held-out reward/);
});

test('a reward that rises while the held-out one falls is an alarm over the last checkpoints', async () => {
  const steps = [0, 1, 2, 3].map((i) => ({ ...healthy, reward: i, heldOut: -i }));
  expect((await pageOf(...steps)).querySelector('.summary')?.textContent).toContain('Alarms: reward hacking');
  const recovered = [...steps, { ...healthy, reward: 4, heldOut: 0 }];
  expect((await pageOf(...recovered)).querySelector('.summary')?.textContent).toContain('No alarm');
});

test('a single checkpoint has nothing to be compared with', () => {
  expect(() => hacking([{ step: 0, signals: healthy }])).toThrow('wanted two or more, the baseline first, received 1');
});
