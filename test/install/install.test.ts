/**
 * The package as someone installs it: packed, installed into an empty project with the install scripts of all packages,
 * and used. Sampling asks nobody: a proxy that nobody answers stands in its way.
 */
import { execFile } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'install-'));
const command = join(folder, 'node_modules', '.bin', 'reward-forcing');
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A port where nobody answers, for whatever would download. */
const nowhere = 'http://127.0.0.1:9';
const offline = { HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, GLOBAL_AGENT_HTTPS_PROXY: nowhere, CI: '1' };

beforeAll(async () => {
  await run(process.execPath, ['--import', 'tsx', 'test/pack/pack.ts', folder], { cwd: root });
  const [archive = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true }));
  const flags = ['--ignore-scripts=false', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=5'];
  await run('npm', ['install', ...flags, `./${archive}`], { cwd: folder, env: { ...process.env, CI: '1' } });
  await rm(join(folder, archive));
}, 1_200_000);

test('takes less than 500 MB, and brings no package whose install script downloads', async () => {
  expect(await bytesIn(join(folder, 'node_modules'))).toBeLessThan(500e6);
  const { packages } = JSON.parse(await readFile(join(folder, 'node_modules/.package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: true }>;
  };
  const scripted = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript);
  // these look for their binary among the packages that the registry has brought
  expect(scripted.map(([path]) => path.replace('node_modules/', '')).sort()).toEqual(['esbuild', 'koffi', 'zeromq']);
});

test('samples a clip on the shipped weights, with ONNX Runtime', async () => {
  const args = ['sample', 'a red digit three moves left slowly', '--seed', '4', '--engine', 'onnx', '--out', 'a.webp'];
  await run(command, args, { cwd: folder, env: { ...process.env, ...offline } });
  expect((await readFile(join(folder, 'a.webp'))).toString('latin1', 8, 12)).toBe('WEBP');
});

test('runs a cell, with the types of Node.js and of TensorFlow.js, and writes a page with its chart', async () => {
  const source = [
    "await engine.use('onnx');",
    'const sum: Float32Array | Int32Array | Uint8Array = await tf.tensor1d([1, 2]).add(Buffer.from("a").length).data();',
    'show.curve({ sum: [...sum] })',
  ];
  const cell = { cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: source.join('\n') };
  const file = join(folder, 'a.ipynb');
  await writeFile(file, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [cell] }));
  await run(command, ['notebook', 'run', file, '--html', join(folder, 'a.html')], { cwd: folder });
  const { cells, metadata } = JSON.parse(await readFile(file, 'utf8')) as {
    cells: { outputs: { data: Record<string, unknown> }[] }[];
    metadata: unknown;
  };
  expect(cells[0]?.outputs[0]?.data['application/vnd.plotly.v1+json']).toMatchObject({ data: [{ y: [2, 3] }] });
  expect(metadata).toMatchObject({
    reward_forcing: { versions: { 'onnxruntime-node': '1.30.0', sharp: expect.any(String) } },
  });
  expect(await readFile(join(folder, 'a.html'), 'utf8')).toContain('<script>');
});

async function bytesIn(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const sizes = entries.map(async (entry) =>
    entry.isFile() ? (await lstat(join(entry.parentPath, entry.name))).size : 0,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
