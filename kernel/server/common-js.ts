/** From ES modules to CommonJS, as tslab's converter asks for it: the second of its two stages. */
import type { TypeScript } from './syntax.ts';

type CompilerOptions = import('@tslab/typescript-for-tslab').CompilerOptions;
type CompilerHost = import('@tslab/typescript-for-tslab').CompilerHost;
type SourceFile = import('@tslab/typescript-for-tslab').SourceFile;

/** What the compiler asks before it emits a file: it checks the file's types first. TypeScript does not declare it. */
interface EmitChecker {
  getEmitResolver?: (file: SourceFile, ...rest: unknown[]) => unknown;
}

export interface CommonJs {
  outputText: string;
  sourceMapText: string | undefined;
}

const FILE = 'module.js';
/** As `transpileModule` sets them: one file by itself. */
const ALONE = {
  sourceMap: true,
  isolatedModules: true,
  noLib: true,
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
  const host = hostOf(ts.createSourceFile(FILE, code, target), made);
  const program = ts.createProgram([FILE], { ...asked, ...ALONE }, host);
  const checker = program.getTypeChecker() as EmitChecker;
  const { getEmitResolver } = checker;
  const nothing = ts.createSourceFile('nothing.js', '', target);
  if (getEmitResolver) checker.getEmitResolver = (_, ...rest) => getEmitResolver(nothing, ...rest);
  program.emit();
  return made;
}

/** One file to read, and two to write into `made`. */
function hostOf(file: SourceFile, made: CommonJs): CompilerHost {
  return {
    getSourceFile: (name) => (name === FILE ? file : undefined),
    writeFile: (name, text) => {
      if (name.endsWith('.map')) made.sourceMapText = text;
      else made.outputText = text;
    },
    getDefaultLibFileName: () => 'lib.d.ts',
    useCaseSensitiveFileNames: () => true,
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => '',
    getNewLine: () => '\n',
    fileExists: (name) => name === FILE,
    readFile: () => '',
  };
}
