/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFfmpeg } from '../../src/io/internal.ts';
import { type Lab, missing, openLab } from './jupyterlab.ts';

const CLIP = `const clip = { data: new Float32Array(12 * 32 * 32 * 3), frames: 12, height: 32, width: 32, fps: 12 };
for (let f = 0; f < 12; f++) for (let y = 0; y < 32; y++) for (let x = 0; x < 32; x++)
  clip.data[((f * 32 + y) * 32 + x) * 3 + (f % 3)] = Math.abs(x - 2 * f) < 6 && Math.abs(y - 16) < 6 ? 1 : 0;
show.clip(clip)`;
const CELLS = [
  'show.curve({ loss: [3, 2, 1.5, 1.2], reward: [0.1, 0.4, 0.6, 0.7] })',
  CLIP,
  'show.frames({ "a square": clip })',
  'for await (const n of progress(Array.from({ length: 40 }, (_, i) => i), { label: "steps" })) await new Promise((r) => setTimeout(r, 40));',
  'const slider = widgets.compare({ before: clip, after: clip }); slider',
  'train.TrainStep?',
  'import { nn } from "reward-forcing";\nawait engine.use("onnx", { threads: 1 }); display(engine.report()); nn.Weights.from([["block.weight", tf.ones([4, 3])]])',
  'let taken = 0;\nasync function* training() { while (true) { await new Promise((r) => setTimeout(r, 10)); taken++; yield console.log("step", taken); } }\nfor await (const step of training()) {}',
  'taken > 0 && slider.frame',
];
const ENDLESS = 7;

describe.skipIf(missing !== null)(`JupyterLab in a browser${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let lab: Lab;
  let page: Page;

  beforeAll(async () => {
    lab = await openLab(CELLS);
    page = lab.page;
  }, 180_000);

  afterAll(() => lab?.close());

  const cell = (index: number) => page.locator('.jp-NotebookPanel .jp-CodeCell').nth(index);
  const prompt = (index: number) => cell(index).locator('.jp-InputArea-prompt').textContent();
  const isRunning = async (index: number): Promise<boolean> => (await prompt(index))?.includes('[*]') ?? false;
  const menu = async (name: string, item: string): Promise<void> => {
    await page.click(`.lm-MenuBar-itemLabel:text-is("${name}")`);
    await page.click(`.lm-Menu-itemLabel:text-is("${item}")`);
  };
  const untilDone = (index: number) =>
    expect.poll(() => prompt(index), { timeout: 60_000, interval: 100 }).toMatch(/\[\d+\]/);
  const stop = () => page.click('[data-jp-item-name="interrupt"]');

  test('run all: progress moves while its cell runs', async () => {
    await menu('Run', 'Run All Cells');
    const bar = cell(3).locator('progress');
    await bar.waitFor({ timeout: 90_000 });
    const first = Number(await bar.getAttribute('value'));
    await expect.poll(async () => Number(await bar.getAttribute('value')), { timeout: 20_000 }).toBeGreaterThan(first);
    await untilDone(4);
    await lab.screenshot('run-all');
  });

  test('a curve is drawn by Plotly or as a picture', async () => {
    const drawn = cell(0).locator('.js-plotly-plot .main-svg, .jp-OutputArea-output img').first();
    await drawn.waitFor();
    const box = await drawn.boundingBox();
    expect(box?.width).toBeGreaterThan(100);
    expect(box?.height).toBeGreaterThan(100);
  });

  test('a clip is a video that plays, or an animated picture where there is no ffmpeg', async () => {
    const shown = cell(1).locator('.jp-OutputArea-output video, .jp-OutputArea-output img').first();
    await shown.scrollIntoViewIfNeeded();
    const state = () =>
      shown.evaluate((element: HTMLVideoElement & HTMLImageElement) => ({
        width: element.videoWidth ?? element.naturalWidth,
        time: element.currentTime,
        tag: element.tagName,
        isMoving: element.tagName === 'VIDEO' ? !element.paused : element.src.startsWith('data:image/webp'),
      }));
    await expect.poll(async () => (await state()).width, { timeout: 10_000 }).toBeGreaterThan(0);
    const { tag, time, isMoving } = await state();
    expect(tag).toBe((await findFfmpeg()) ? 'VIDEO' : 'IMG');
    expect(isMoving).toBe(true);
    if (time !== undefined) {
      await expect.poll(async () => (await state()).time, { timeout: 10_000 }).not.toBe(time);
    }
  });

  test('frames are pictures of a natural size', async () => {
    const image = cell(2).locator('.jp-OutputArea-output img').first();
    await image.waitFor();
    expect(await image.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBeGreaterThan(0);
  });

  test('a widget scrubs both clips and tells the kernel', async () => {
    const slider = cell(4).locator('input.rf-scrub');
    await slider.waitFor({ timeout: 20_000 });
    await slider.fill('7');
    const images = cell(4).locator('figure img');
    expect(await images.count()).toBe(2);
    await expect.poll(() => cell(4).locator('code').last().textContent()).toBe('8/12');
    expect(await images.first().evaluate((element: HTMLImageElement) => element.naturalWidth)).toBe(32);
  });

  test('a question shows its page below the cell', async () => {
    const page = cell(5).locator('.jp-OutputArea-output');
    await expect.poll(() => page.textContent()).toMatch(/interface TrainStep\s*What a stage yields/);
    expect(await page.getAttribute('data-mime-type')).toBe('text/markdown');
  });

  test('an engine report and weights are shown as a table and a tree', async () => {
    await untilDone(6);
    const shown = cell(6).locator('.jp-OutputArea-output');
    expect(await shown.first().locator('table').textContent()).toMatch(/onnx/);
    expect(await shown.last().textContent()).toMatch(/1 tensor · 12 parameters · 48 B.*weight \[4, 3\] float32/);
  });

  test('Stop ends a training generator, and the next cell runs', async () => {
    await expect.poll(() => cell(ENDLESS).textContent(), { timeout: 60_000 }).toContain('step 3');
    await stop();
    await expect.poll(() => cell(ENDLESS).textContent(), { timeout: 10_000 }).toContain('KeyboardInterrupt');
    await cell(ENDLESS + 1)
      .locator('.cm-content')
      .click();
    await page.keyboard.press('Control+Enter');
    await untilDone(ENDLESS + 1);
    expect(
      await cell(ENDLESS + 1)
        .locator('.jp-OutputArea-output')
        .textContent(),
    ).toBe('7');
    await lab.screenshot('stopped');
  });

  test('restart and run all begins with a fresh kernel', async () => {
    await menu('Kernel', 'Restart Kernel and Run All Cells…');
    await page.click('.jp-Dialog .jp-mod-accept');
    await expect.poll(() => isRunning(ENDLESS - 1), { timeout: 60_000, interval: 50 }).toBe(true);
    await untilDone(ENDLESS - 1);
    expect(await prompt(0)).toBe('[1]:');
    await stop();
    await expect.poll(() => isRunning(ENDLESS), { timeout: 10_000 }).toBe(false);
    await lab.screenshot('restarted');
  }, 120_000);

  test('completion offers the members of a namespace', async () => {
    await cell(ENDLESS + 1)
      .locator('.cm-content')
      .click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('sampler.');
    await page.keyboard.press('Tab');
    await page.waitForSelector('.jp-Completer-item', { timeout: 20_000 });
    await expect.poll(() => page.locator('.jp-Completer').textContent(), { timeout: 10_000 }).toContain('euler');
    await lab.screenshot('completion');
    await page.keyboard.press('Escape');
  });

  test('the browser has no error to tell of', () => {
    expect(lab.errors).toEqual([]);
  });
});
