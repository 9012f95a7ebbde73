/** JupyterLab and a headless Chromium for tests, where both are there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { installKernel } from '../../kernel/install.ts';
import { codeCell } from '../../kernel/notebook/document.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const found = (paths: (string | undefined)[]): string | undefined => paths.find((path) => path && existsSync(path));

/** REWARD_FORCING_JUPYTERLAB names the program jupyter-lab; REWARD_FORCING_CHROMIUM a Chromium or Chrome. */
const jupyterLab = found([process.env['REWARD_FORCING_JUPYTERLAB'], join(root, '.venv/bin/jupyter-lab')]);
const browser = found([
  process.env['REWARD_FORCING_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]);

/** Why the browser tests cannot run here; null where they can. */
export const missing: string | null = !jupyterLab
  ? 'no JupyterLab: run "npm run lab" once, or name the program in REWARD_FORCING_JUPYTERLAB'
  : !browser
    ? 'no Chromium: name the program in REWARD_FORCING_CHROMIUM'
    : null;

/** Screenshots are kept here to be looked at. */
const screenshots = process.env['REWARD_FORCING_SCREENSHOTS'] ?? join(tmpdir(), 'reward-forcing-screenshots');

export interface Lab {
  page: Page;
  /** Errors of the browser's console and of the page. */
  errors: string[];
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens a notebook of these cells in JupyterLab. */
export async function openLab(cells: readonly string[]): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), 'lab-'));
  const metadata = {
    kernelspec: { name: 'reward-forcing', display_name: 'TypeScript (Reward-Forcing)', language: 'typescript' },
  };
  const notebook = { nbformat: 4, nbformat_minor: 5, metadata, cells: cells.map((source) => codeCell(source)) };
  writeFileSync(join(folder, 'test.ipynb'), JSON.stringify(notebook));
  installKernel(join(root, 'dist', 'kernel', 'main.js'), { prefix: folder });
  const port = await freePort();
  const server = startServer(folder, port);
  const context = await launch(folder);
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = listenForErrors(page);
  await until('JupyterLab serves', async () => (await fetch(`http://127.0.0.1:${port}/api`)).ok);
  await page.goto(`http://127.0.0.1:${port}/lab/tree/test.ipynb?reset`, { waitUntil: 'domcontentloaded' });
  await page.waitForSelector('.jp-NotebookPanel .jp-CodeCell', { timeout: 60_000 });
  await until('the kernel is idle', () => isKernelIdle(port));
  mkdirSync(screenshots, { recursive: true });
  return {
    page,
    errors,
    screenshot: async (name) => void (await page.screenshot({ path: join(screenshots, `${name}.png`) })),
    close: async () => {
      await context.close();
      server.kill('SIGINT');
      server.kill('SIGTERM');
      await new Promise((resolve) => server.once('exit', resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function startServer(folder: string, port: number): ChildProcess {
  const settings = [
    '--no-browser',
    '--ip=127.0.0.1',
    `--port=${port}`,
    '--allow-root',
    `--ServerApp.root_dir=${folder}`,
    '--IdentityProvider.token=',
    '--ServerApp.password=',
    '--LabApp.news_url=',
    '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    '--LabApp.extension_manager=readonly',
    '--ServerApp.terminals_enabled=False',
  ];
  const env = { ...process.env, JUPYTER_PATH: join(folder, 'share', 'jupyter'), HOME: folder };
  return spawn(jupyterLab ?? '', settings, { env, stdio: 'ignore' });
}

function launch(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(join(folder, 'browser'), {
    ...(browser && { executablePath: browser }),
    headless: true,
    viewport: { width: 1280, height: 1400 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
}

function listenForErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => errors.push(error.message));
  return errors;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await isSo().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`a minute has passed without that ${what}`);
}

async function isKernelIdle(port: number): Promise<boolean> {
  const kernels = (await (await fetch(`http://127.0.0.1:${port}/api/kernels`)).json()) as { execution_state: string }[];
  return kernels[0]?.execution_state === 'idle';
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
