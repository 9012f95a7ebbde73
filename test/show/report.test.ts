import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { jupyterDisplay } from '../../src/display/index.ts';
import { clip, curve, report, table } from '../../src/show/index.ts';
import { movingDisc } from './clips.ts';

const content = {
  title: 'Reward & <motion>',
  summary: 'It went up.',
  sections: [
    {
      title: 'Clips',
      text: 'First `code`.\n\nSecond <b>.',
      figures: [{ figure: clip(movingDisc(), { codec: 'webp' }), caption: 'A clip.' }],
    },
    { title: 'Curve', figures: [curve({ reward: [0, 1] })] },
    { title: 'Table', figures: [table([{ a: 1 }])] },
  ],
  provenance: { seed: 7, commit: 'abc' },
};

test('is one page with all sections, figures, captions and its making', async () => {
  const { document } = parseHTML(await report(content).toHtml());
  expect(document.querySelector('h1')?.textContent).toBe('Reward & <motion>');
  expect([...document.querySelectorAll('section h2')].map((h) => h.textContent)).toEqual(['Clips', 'Curve', 'Table']);
  expect([...document.querySelectorAll('nav a')].map((a) => a.getAttribute('href'))).toEqual(['#s1', '#s2', '#s3']);
  expect([...document.querySelectorAll('#s1 p')].map((p) => p.innerHTML)).toEqual([
    'First <code>code</code>.',
    'Second &lt;b&gt;.',
  ]);
  expect(document.querySelectorAll('figure.figure')).toHaveLength(3);
  expect(document.querySelector('#s1 .figure > figcaption')?.textContent).toBe('A clip.');
  expect([...document.querySelectorAll('dd')].map((d) => d.textContent)).toEqual(['7', 'abc']);
});

test('asks nothing of the network: no address outside of it, and a policy that forbids any', async () => {
  const html = (await report(content).toHtml()).replace(/<script>.*<\/script>/s, '');
  expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|\/\/[a-z]+\.|<script>|<link/);
  expect(html).toContain("default-src 'none'");
});

test('carries the script that draws its charts once, the only one that its policy lets run', async () => {
  const reward = curve({ '</script><b>': [0, 1] });
  const html = await report({ title: 'a', sections: [{ title: 'b', figures: [reward, reward] }] }).toHtml();
  const { document } = parseHTML(html);
  const [first, second, script, ...others] = document.querySelectorAll('script');
  expect(others).toEqual([]);
  for (const chart of [first, second]) {
    expect(chart?.getAttribute('type')).toBe('application/vnd.plotly.v1+json');
    expect(JSON.parse(chart?.textContent ?? '')).toMatchObject({ data: [{ type: 'scatter', name: '</script><b>' }] });
    expect(chart?.previousElementSibling?.tagName).toBe('SVG');
  }
  const hash = createHash('sha256')
    .update(script?.textContent ?? '')
    .digest('base64');
  expect(html).toContain(`; script-src 'sha256-${hash}'">`);
  const still = await report({ title: 'a', sections: [{ title: 'b', figures: [table([{ a: 1 }])] }] }).toHtml();
  expect(still).not.toMatch(/<script|script-src/);
});

test('is saved whole, and shown in a notebook inside a frame', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'report-'));
  const page = report(content);
  await page.save(join(folder, 'a.html'));
  expect(await readFile(join(folder, 'a.html'), 'utf8')).toBe(await page.toHtml());
  await expect(page.save(join(folder, 'a.pdf'))).rejects.toThrow('.html');
  const bundle = await page[jupyterDisplay]();
  expect(bundle['text/html']).toMatch(/^<iframe srcdoc="&lt;!doctype html&gt;/);
  expect(bundle['text/plain']).toBe('Reward & <motion>: 3 sections');
  await rm(folder, { recursive: true });
});
