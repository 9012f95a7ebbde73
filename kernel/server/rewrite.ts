/**
 * What a cell may hold that tslab's converter does not take, in a form that it takes: every character keeps its place.
 * And what the converter forgets from one cell to the next.
 */
import type { Node, Statement } from 'typescript';
import { declaredNames } from './syntax.ts';
import type { TypeScript } from './typescript.ts';

/** Comments at the top of a cell, with the one that switches its check off as the last. */
const UNCHECKED = /^(?:\s*(?:\/\/[^\n]*\n|\/\*[\s\S]*?\*\/))*?\s*\/\/\s*@ts-nocheck\b/;

/** Whether the cell asks not to be checked, as a file does. */
export function isUnchecked(code: string): boolean {
  return UNCHECKED.test(code);
}

/** The cell without `export`, which has nobody to export to. */
export function plainCell(ts: TypeScript, code: string): string {
  if (!/\bexport\b/.test(code)) return code;
  const source = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.ESNext, true);
  let text = code;
  const put = (start: number, end: number, given = ''): void => {
    const old = text.slice(start, end);
    text = text.slice(0, start) + given + blank(old.slice(given.length)) + text.slice(end);
  };
  for (const statement of source.statements) dropExport(ts, statement, put);
  return text;
}

/** Everything but line breaks becomes a space. */
export function blank(text: string): string {
  return text.replace(/[^\r\n]/g, ' ');
}

function dropExport(
  ts: TypeScript,
  statement: Statement,
  put: (start: number, end: number, given?: string) => void,
): void {
  const start = statement.getStart();
  if (ts.isExportDeclaration(statement)) {
    const { moduleSpecifier, exportClause } = statement;
    if (!moduleSpecifier) put(start, statement.end);
    else if (exportClause && importsAsWell(ts, exportClause)) put(start, start + 'export'.length, 'import');
    else put(start, moduleSpecifier.getStart(), 'import');
    return;
  }
  if (ts.isExportAssignment(statement)) {
    put(start, statement.expression.getStart());
    return;
  }
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  const isNameless = (statement as { name?: Node }).name === undefined && !ts.isVariableStatement(statement);
  for (const modifier of modifiers ?? []) {
    if (modifier.kind === ts.SyntaxKind.ExportKeyword) put(modifier.getStart(), modifier.end, isNameless ? 'void' : '');
    if (modifier.kind === ts.SyntaxKind.DefaultKeyword) put(modifier.getStart(), modifier.end);
  }
}

/** Whether the names of `export … from` may stand behind `import`. */
function importsAsWell(ts: TypeScript, clause: Node): boolean {
  return !ts.isNamedExports(clause) || clause.elements.every(({ name }) => name.text !== 'default');
}

/**
 * Namespaces and additions to global types that earlier cells declared and this one does not: the converter drops them
 * from the declarations that it hands on.
 */
export function keptDeclarations(ts: TypeScript, before: string, code: string): string {
  if (!/\b(?:namespace|module|global)\b/.test(before)) return '';
  const declared = new Set(declaredNames(ts, code));
  const source = ts.createSourceFile('before.d.ts', before, ts.ScriptTarget.ESNext, true);
  const kept = source.statements.filter(
    (statement) => ts.isModuleDeclaration(statement) && !declared.has(statement.name.text),
  );
  return [...new Set(kept.map((statement) => `${statement.getFullText().trim()}\n`))].join('');
}
