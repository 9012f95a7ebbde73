import { expect, test } from 'vitest';
import { environmentPlan, splitFolder } from '../../kernel/lab.ts';

test('the environment is made by uv where it is there', () => {
  const plan = environmentPlan('/e', ['jupyterlab'], () => true);
  expect(plan.map(([command]) => command)).toEqual(['uv', 'uv']);
  expect(plan[1]).toContain('jupyterlab');
});

test('by venv and pip where there is only Python', () => {
  const plan = environmentPlan('/e', ['jupyterlab'], (command) => command === 'python3');
  expect(plan[0]).toEqual(['python3', '-m', 'venv', '/e']);
  expect(plan[1]?.slice(1, 4)).toEqual(['-m', 'pip', 'install']);
});

test('where there is neither, the message says what to get and what works without', () => {
  expect(() => environmentPlan('/e', ['jupyterlab'], () => false)).toThrow(
    /docs\.astral\.sh\/uv[\s\S]*python\.org[\s\S]*notebook run/,
  );
});

test('a folder may be named, and all options go to JupyterLab', () => {
  expect(splitFolder(['mine', '--port', '1'])).toEqual(['mine', ['--port', '1']]);
  expect(splitFolder(['--no-browser', '--port', '1'])).toEqual(['notebooks', ['--no-browser', '--port', '1']]);
  expect(splitFolder([])).toEqual(['notebooks', []]);
});
