/** Finding, refusing and installing a plugin, and the store of executables: all that needs no plugin. */
import { mkdirSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import * as engine from '../../../src/engine/index.ts';
import { findRuntime } from '../../../src/engine/onnx/library.ts';
import { installCommands } from '../../../src/engine/xla/install.ts';
import { findPlugin } from '../../../src/engine/xla/library.ts';
import { checkVersion, PjrtApi, wantedVersion } from '../../../src/engine/xla/pjrt/api.ts';
import { ExecutableStore } from '../../../src/engine/xla/store.ts';
import { testFolder } from '../../folder.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const all = await testFolder('xla');
const folder = (): string => mkdtempSync(join(all, 'test-'));

/** A virtual environment with an empty file where a wheel would have its plugin. */
function environmentWith(...libraries: string[]): string {
  const root = folder();
  for (const library of libraries) {
    const path = join(root, 'lib/python3.11/site-packages', library);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
  }
  return root;
}

describe.skipIf(process.platform !== 'linux')('finding the plugin', () => {
  test('the option and the variable are no hints but demands', () => {
    expect(() => findPlugin('/no/such.so')).toThrow(/the option plugin is \/no\/such\.so.*engine install xla/s);
    vi.stubEnv('REWARD_FORCING_PJRT', '/nor/this.so');
    expect(() => findPlugin()).toThrow(/REWARD_FORCING_PJRT is \/nor\/this\.so.*no such file/s);
    expect(engine.list().find(({ name }) => name === 'xla')).toMatchObject({ available: false });
  });

  test('without any, the error lists the places and the command that installs one', () => {
    vi.stubEnv('REWARD_FORCING_PJRT', '');
    vi.stubEnv('VIRTUAL_ENV', '');
    vi.stubEnv('CONDA_PREFIX', '');
    vi.stubEnv('PATH', folder());
    expect(() => findPlugin()).toThrow(/no PJRT plugin.*\.venv-xla.*python3.*engine install xla --cpu/s);
  });

  test('an active environment is looked into, accelerators first', () => {
    vi.stubEnv('REWARD_FORCING_PJRT', '');
    const cpu = 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so';
    const cuda = 'jax_plugins/xla_cuda13/xla_cuda_plugin.so';
    vi.stubEnv('VIRTUAL_ENV', environmentWith(cpu));
    expect(findPlugin().path).toMatch(/pjrt_c_api_cpu_plugin\.so$/);
    vi.stubEnv('VIRTUAL_ENV', environmentWith(cpu, cuda));
    expect(findPlugin().path).toMatch(/xla_cuda13\/xla_cuda_plugin\.so$/);
  });

  test('wheels are pinned and go into a virtual environment of the project', () => {
    const [venv, pip] = installCommands({ target: 'cuda13' });
    expect(venv).toEqual(['python3', '-m', 'venv', '.venv-xla']);
    expect(pip).toEqual(['.venv-xla/bin/python', '-m', 'pip', 'install', expect.stringMatching(/cuda13.*==\d/)]);
    expect(installCommands({ target: 'cpu' })[1]!.join(' ')).toMatch(/--no-deps lammps-jax-pjrt-cpu==\d/);
  });
});

describe('a library that will not do', () => {
  test('is no PJRT plugin', () => {
    expect(() => new PjrtApi(findRuntime().runtime)).toThrow(/is no PJRT plugin.*GetPjrtApi.*engine install xla/s);
  });

  test('is no library at all', () => {
    const file = join(folder(), 'text.so');
    writeFileSync(file, 'no library');
    expect(() => new PjrtApi(file)).toThrow(/engine xla: cannot load .*text\.so.*engine install xla/s);
  });

  test('has another major version, an older minor one, or a table that ends too early', () => {
    const { major, minor } = wantedVersion;
    const enough = 10_000;
    expect(() => checkVersion('p.so', major, minor, enough)).not.toThrow();
    expect(() => checkVersion('p.so', major + 1, minor, enough)).toThrow(/p\.so has PJRT API 1\.\d+.*wanted 0\.\d+/);
    expect(() => checkVersion('p.so', major, minor - 1, enough)).toThrow(/or newer within 0/);
    expect(() => checkVersion('p.so', major, minor, 64)).toThrow(/table of 64 bytes.*at least \d+ bytes/);
  });
});

describe('options', () => {
  test('those of other engines and wrong values are refused before anything is loaded', async () => {
    await expect(engine.use('xla', { threads: 2 } as never)).rejects.toThrow(/options out of plugin, cache, compute/);
    await expect(engine.use('xla', { compute: 'fp8' as never })).rejects.toThrow(/'float32' or 'bf16'.*"fp8"/);
    await expect(engine.use('xla', { plugin: '' })).rejects.toThrow(/path of a file/);
    await expect(engine.use('onnx', { compute: 'bf16' } as never)).rejects.toThrow(/options out of threads/);
  });
});

describe('the store of executables', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const asNumbers = (read: Uint8Array): number[] => Array.from(read);

  test('gives back what was kept for the same compiler and program, and nothing else', () => {
    const place = folder();
    const store = new ExecutableStore(place, 'plugin 1', 0);
    expect(store.find('program', asNumbers)).toBeUndefined();
    store.keep('program', 5, () => bytes);
    expect(store.find('program', asNumbers)).toEqual([1, 2, 3]);
    expect(store.find('another', asNumbers)).toBeUndefined();
    expect(new ExecutableStore(place, 'plugin 2', 0).find('program', asNumbers)).toBeUndefined();
  });

  test('leaves out what was quick to compile', () => {
    const place = folder();
    new ExecutableStore(place, 'plugin', 1000).keep('program', 999, () => bytes);
    expect(readdirSync(place)).toEqual([]);
  });

  test('an entry that cannot be loaded goes, and is compiled anew', () => {
    const place = folder();
    const store = new ExecutableStore(place, 'plugin', 0);
    store.keep('program', 5, () => bytes);
    const refuse = (): never => {
      throw new Error('damaged');
    };
    expect(store.find('program', refuse)).toBeUndefined();
    expect(readdirSync(place)).toEqual([]);
  });

  test('is bounded: what was used longest ago goes first', () => {
    const place = folder();
    const store = new ExecutableStore(place, 'plugin', 0, 8);
    for (const [i, program] of ['old', 'older', 'new'].entries()) {
      store.keep(program, 5, () => bytes);
      const [file = ''] = readdirSync(place).filter((name) => !known.has(name));
      known.add(file);
      const when = [2000, 1000, 3000][i]!;
      if (program !== 'new') utimesSync(join(place, file), when, when);
    }
    expect(['old', 'older', 'new'].map((program) => store.find(program, asNumbers) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
  });
  const known = new Set<string>();

  test('a folder that cannot be written is no failure', () => {
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const store = new ExecutableStore(join(file, 'below'), 'plugin', 0);
    expect(() => store.keep('program', 5, () => bytes)).not.toThrow();
    expect(store.find('program', asNumbers)).toBeUndefined();
  });
});
