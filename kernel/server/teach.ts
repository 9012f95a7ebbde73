/** A line for those who come from IPython: what a cell tries there is written otherwise here. */

interface Lesson {
  /** Tells the habit from the cell's first line. */
  readonly habit: RegExp;
  readonly lesson: (found: string) => string;
}

const LESSONS: readonly Lesson[] = [
  {
    habit: /^%%?\s*(\w+).*$/,
    lesson: (magic) =>
      `%${magic} is a magic of IPython, and cells here are TypeScript: ${MAGICS[magic] ?? 'what it does is written as code'}`,
  },
  {
    habit: /^!\s*(\S.*)$/,
    lesson: (command) =>
      `!${command} is IPython's way to the shell; here: import { execSync } from 'node:child_process'; console.log(String(execSync(${JSON.stringify(command)})))`,
  },
  {
    habit: /^help\s*\(\s*(.*?)\s*\)\s*;?$/,
    lesson: (name) =>
      `help(${name}) is Python's; here: ${name || 'sampler.euler'}? for type and documentation, ${name || 'sampler.euler'}?? for the source as well`,
  },
];

/** What some magics are here. */
const MAGICS: Readonly<Record<string, string>> = {
  time: "console.time('cell') … console.timeEnd('cell')",
  timeit: "console.time('cell') … console.timeEnd('cell')",
  pip: 'install packages with npm in the folder of the notebook, then import them',
  conda: 'install packages with npm in the folder of the notebook, then import them',
  matplotlib: 'figures of `show` need no setting',
  load_ext: 'import what the cell needs',
  autoreload: 'an import that is run again reads changed files by itself',
  cd: 'process.chdir(folder)',
  pwd: 'process.cwd()',
  who: 'completion shows the names of earlier cells',
  env: 'process.env',
};

/** The lesson for a cell that failed its check; null where it shows no such habit. */
export function lessonFor(code: string): string | null {
  const first = code.trim().split('\n', 1)[0] ?? '';
  for (const { habit, lesson } of LESSONS) {
    const found = habit.exec(first);
    if (found) return lesson(found[1] ?? '');
  }
  return null;
}
