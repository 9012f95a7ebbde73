/**
 * A cell as CommonJS in one go. tslab's converter asks for a module, changes it, and then has that transpiled: to parse,
 * transform and print a cell twice takes a fifth of all its time.
 */
import type {
  CancellationToken,
  CustomTransformers,
  EmitResult,
  Node,
  Program,
  SourceFile,
  TransformerFactory,
  WriteFileCallback,
} from 'typescript';
import type { TypeScript } from './typescript.ts';

/** Dynamic imports of cells and local files are ours: a name of the keyword's length, so that positions stay. */
export const IMPORT = '__load';

/** What follows the file in a call of `program.emit`. */
export type EmitRest = [
  write?: WriteFileCallback,
  cancel?: CancellationToken,
  onlyDeclarations?: boolean,
  transformers?: CustomTransformers,
];

/**
 * Emits a file of a program that was checked as a module. The converter changes modules after their types are gone; it
 * finds the same names before.
 */
export function emitCommonJs(
  ts: TypeScript,
  program: Program,
  file: SourceFile,
  [write, cancel, onlyDeclarations, transformers = {}]: EmitRest,
): EmitResult {
  const { after = [], ...others } = transformers;
  const before = [ownImports(ts), ...(after as TransformerFactory<SourceFile>[]), assigned(ts)];
  const options = program.getCompilerOptions();
  const { module = ts.ModuleKind.ESNext } = options;
  options.module = ts.ModuleKind.CommonJS;
  try {
    return program.emit(file, write, cancel, onlyDeclarations, { ...others, before });
  } finally {
    options.module = module;
  }
}

/**
 * `import(…)` as a call of our own function, which knows local files. Gives a copy of the file in any case: the
 * converter puts its own statements into what it gets, and the declarations are written from the original. Types are
 * left out, so that an expression before them is still the last.
 */
function ownImports(ts: TypeScript): TransformerFactory<SourceFile> {
  return (context) => {
    const visit = (node: Node): Node => {
      const seen = ts.visitEachChild(node, visit, context);
      if (!ts.isCallExpression(seen) || seen.expression.kind !== ts.SyntaxKind.ImportKeyword) return seen;
      const load = ts.setTextRange(ts.factory.createIdentifier(IMPORT), seen.expression);
      return ts.factory.updateCallExpression(seen, load, seen.typeArguments, seen.arguments);
    };
    return (file) => {
      const { statements } = /\bimport\s*\(/.test(file.text) ? (visit(file) as SourceFile) : file;
      const values = statements.filter((one) => !ts.isInterfaceDeclaration(one) && !ts.isTypeAliasDeclaration(one));
      return ts.factory.updateSourceFile(file, ts.setTextRange(ts.factory.createNodeArray(values), statements));
    };
  };
}

/**
 * The last expression, which the converter keeps as `export const name = …`, as `exports.name = …`: the compiler knows
 * of no export that the cell does not have, and loses it where `using` makes a block of the cell.
 */
function assigned(ts: TypeScript): TransformerFactory<SourceFile> {
  const { factory } = ts;
  return () => (file) => {
    const statements = file.statements.map((statement) => {
      if (statement.pos >= 0 || !ts.isVariableStatement(statement)) return statement;
      const [{ name, initializer } = {}] = statement.declarationList.declarations;
      if (!name || !ts.isIdentifier(name) || !initializer) return statement;
      const kept = factory.createPropertyAccessExpression(factory.createIdentifier('exports'), name);
      const assignment = factory.createAssignment(kept, initializer);
      return ts.setTextRange(factory.createExpressionStatement(assignment), initializer);
    });
    return factory.updateSourceFile(file, ts.setTextRange(factory.createNodeArray(statements), file.statements));
  };
}
