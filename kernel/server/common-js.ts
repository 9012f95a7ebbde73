/** From ES modules to CommonJS, as tslab's converter asks for it: the second of its two stages. */
import type { TypeScript } from './syntax.ts';

type CompilerOptions = import('@tslab/typescript-for-tslab').CompilerOptions;
type CompilerHost = import('@tslab/typescript-for-tslab').CompilerHost;
type SourceFile = import('@tslab/typescript-for-tslab').SourceFile;
type ScriptTarget = import('@tslab/typescript-for-tslab').ScriptTarget;

/** What the compiler asks before it emits a file: it checks the file's types first. TypeScript does not declare it. */
interface EmitChecker {
  getEmitResolver?: (file: SourceFile, ...rest: unknown[]) => unknown;
}

export interface CommonJs {
  outputText: string;
  sourceMapText: string | undefined;
}

const FILE = 'module.js';
const LIBRARY = 'lib.d.ts';
/**
 * The global types that every checker asks for: where one is missing, it looks through all versions of the language for
 * a library to advise, at the cost of the emit itself.
 */
const GLOBALS = ['Array<T>', 'Object', 'Function', 'CallableFunction', 'NewableFunction', 'String', 'Number', 'Boolean']
  .concat('RegExp', 'IArguments')
  .map((name) => `interface ${name} {}`)
  .join('\n');
/** As `transpileModule` sets them: one file by itself. */
const ALONE = {
  sourceMap: true,
  isolatedModules: true,
  noResolve: true,
  allowNonTsExtensions: true,
  suppressOutputPathCheck: true,
};

/**
 * Emits the module with a source map. The code comes from the compiler, so its types have been checked; `transpileModule`
 * would check them once more, without the files that they come from, which takes longer than all else.
 */
export function toCommonJs(ts: TypeScript, code: string, asked: CompilerOptions = {}): CommonJs {
  const target = asked.target ?? ts.ScriptTarget.ES2022;
  const made: CommonJs = { outputText: '', sourceMapText: undefined };
  const host = hostOf([ts.createSourceFile(FILE, code, target), globalsOf(ts, target)], made);
  const program = ts.createProgram([FILE], { ...asked, ...ALONE }, host);
  const checker = program.getTypeChecker() as EmitChecker;
  const { getEmitResolver } = checker;
  const nothing = ts.createSourceFile('nothing.js', '', target);
  if (getEmitResolver) checker.getEmitResolver = (_, ...rest) => getEmitResolver(nothing, ...rest);
  program.emit();
  return made;
}

let globals: SourceFile | undefined;

/** Parsed and bound once. */
function globalsOf(ts: TypeScript, target: ScriptTarget): SourceFile {
  globals ??= ts.createSourceFile(LIBRARY, GLOBALS, target);
  return globals;
}

/** Two files to read, and two to write into `made`. */
function hostOf(files: readonly SourceFile[], made: CommonJs): CompilerHost {
  return {
    getSourceFile: (name) => files.find(({ fileName }) => fileName === name),
    writeFile: (name, text) => {
      if (name.endsWith('.map')) made.sourceMapText = text;
      else made.outputText = text;
    },
    getDefaultLibFileName: () => LIBRARY,
    useCaseSensitiveFileNames: () => true,
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => '',
    getNewLine: () => '\n',
    fileExists: (name) => files.some(({ fileName }) => fileName === name),
    readFile: () => '',
  };
}
