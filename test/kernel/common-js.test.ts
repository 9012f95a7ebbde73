import typescript from '@tslab/typescript-for-tslab';
import { describe, expect, test } from 'vitest';
import { toCommonJs } from '../../kernel/server/common-js.ts';

const compilerOptions = {
  module: typescript.ModuleKind.CommonJS,
  target: typescript.ScriptTarget.ES2022,
  esModuleInterop: true,
  newLine: typescript.NewLineKind.LineFeed,
};

const modules: Record<string, string> = {
  'a binding that changes after its export':
    'export let n = 1;\nexport const add = () => { n += 1; n++; };\n[n] = [5];',
  'destructuring and defaults': 'export const { a, b: { c = 2 }, ...rest } = value();\nfunction value() { return {}; }',
  imports: "import d, { x as y, z } from 'a';\nimport * as all from 'b';\nimport 'c';\nd(y, z(), all.q, [z]);",
  're-exports': "export { x, y as z } from 'a';\nexport * from 'b';\nexport * as all from 'c';",
  'a default class and an awaited import':
    "export default class A { #x = 1; static y = 2; }\nconst m = await import('a');",
  'an imported name that is shadowed':
    "import { x } from 'a';\nexport function f(x) { return x; }\nexport const o = { x };",
  'a function before its declaration': 'export { f as g };\nf();\nfunction f() { return arguments.length; }',
  'a cell as the converter writes it':
    "import { tsLastExpr as previous } from './cell-1';\nexport let x = previous + 1;\nexport const tsLastExpr = x;\nexport {};",
  nothing: '',
};

describe("a module becomes what TypeScript's own transpileModule makes of it", () => {
  test.each(Object.entries(modules))('%s', (_, code) => {
    const expected = typescript.transpileModule(code, {
      fileName: 'module.js',
      compilerOptions: { ...compilerOptions, sourceMap: true },
    });
    const made = toCommonJs(typescript, code, compilerOptions);
    expect(made.outputText).toBe(expected.outputText);
    expect(JSON.parse(made.sourceMapText as string)).toMatchObject({
      mappings: JSON.parse(expected.sourceMapText as string).mappings,
    });
  });
});
