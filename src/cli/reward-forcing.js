#!/usr/bin/env node
/** The command `reward-forcing`. In a fresh checkout it builds the program first. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = new URL('../../dist/src/cli.js', import.meta.url);

if (!existsSync(cli)) {
  process.stderr.write('reward-forcing is not built yet: building it, once\n');
  // what the build says goes to standard error, so that a command's own output stays alone
  const { status } = spawnSync('npm run build', { cwd: root, shell: true, stdio: ['ignore', 2, 2] });
  if (status !== 0 || !existsSync(cli)) {
    process.stderr.write(`the build failed: run "npm ci", then "npm run build" in ${root}\n`);
    process.exit(1);
  }
}

await import(cli.href);
