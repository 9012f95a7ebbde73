import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Each layer may import itself and those it lists; reward and sampler are neighbours, as train and evaluate, show and world. */
const ground = ['display', 'io', 'engine', 'nn', 'model'];
const layers: Record<string, readonly string[]> = {
  display: [],
  io: ['display'],
  engine: ['display'],
  nn: ['display', 'io', 'engine'],
  model: ['display', 'io', 'engine', 'nn'],
  sampler: ground,
  reward: ground,
  train: [...ground, 'sampler', 'reward'],
  evaluate: [...ground, 'sampler', 'reward'],
  show: [...ground, 'sampler', 'reward', 'train', 'evaluate'],
  world: [...ground, 'sampler', 'reward', 'train', 'evaluate'],
  study: [...ground, 'sampler', 'reward', 'train', 'evaluate', 'show', 'world'],
};
const top = new Set(['index.ts', 'cli.ts', 'cli']);

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, folder, name));
}

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)'([^']+)'/g);
  return [...found].map((match) => match[1] ?? '');
}

/** Whether a folder around `path`, but not around `file`, says what of it others may import. */
function isBehindDoor(path: string, file: string): boolean {
  for (let folder = dirname(path); !file.startsWith(`${folder}${sep}`); folder = dirname(folder)) {
    if (existsSync(join(folder, 'index.ts'))) return true;
  }
  return false;
}

describe('one direction of imports', () => {
  test.each(files('src').map((file) => [relative(root, file), file]))('%s', (_, file) => {
    const [layer = ''] = relative(join(root, 'src'), file).split(sep);
    for (const target of imports(file).filter((name) => name.startsWith('.'))) {
      const path = relative(join(root, 'src'), join(dirname(file), target));
      expect(path.startsWith('..'), `${target} leaves src/`).toBe(false);
      const [to = ''] = path.split(sep);
      if (top.has(layer) || to === layer) continue;
      expect(layers[layer], `src/${layer} is not a known layer: add it to this test`).toBeDefined();
      expect(layers[layer], `src/${layer} must not import src/${to}`).toContain(to);
    }
  });

  test('other folders import what an index.ts, internal.ts or public.ts exports, nothing past it', () => {
    const doors = new Set(['index.ts', 'internal.ts', 'public.ts']);
    for (const file of files('src')) {
      for (const target of imports(file).filter((name) => name.startsWith('.'))) {
        const path = join(dirname(file), target);
        if (doors.has(basename(path)) || !isBehindDoor(path, file)) continue;
        if (relative(root, path) === join('src', 'engine', 'tf.ts')) continue; // the tensor language itself
        expect.fail(`${relative(root, file)} imports ${relative(root, path)}: import it from the folder's index.ts`);
      }
    }
  });

  test('only src/engine imports TensorFlow.js', () => {
    for (const file of [...files('src'), ...files('kernel')]) {
      const inside = imports(file).filter((name) => name.startsWith('@tensorflow/'));
      if (inside.length > 0) expect(relative(root, file).split(sep).slice(0, 2).join('/')).toBe('src/engine');
    }
  });

  test('the kernel and the library do not import each other', () => {
    for (const file of files('kernel')) {
      for (const target of imports(file).filter((name) => name.startsWith('.'))) {
        expect(relative(join(root, 'kernel'), join(dirname(file), target)).startsWith('..')).toBe(false);
      }
    }
  });
});
