/** Questions about a cell's syntax that tslab's converter does not answer. */

import type { Node } from 'typescript';
import type { TypeScript } from './typescript.ts';

type ParseDiagnostic = { start: number; length: number; code: number };

/** A node that declares names, once its file is bound. TypeScript does not declare this member. */
export interface Scope {
  locals?: {
    has(name: string): boolean;
    delete(name: string): boolean;
    forEach(visit: (symbol: unknown, name: string) => void): void;
  };
}

/** Finds the names that each scope of a parsed file declares. */
export function bindNames(ts: TypeScript, file: Node, options: object = {}): void {
  (ts as unknown as { bindSourceFile(bound: Node, options: object): void }).bindSourceFile(file, options);
}

/** Names that the code declares at its top level. */
export function declaredNames(ts: TypeScript, code: string): string[] {
  const file = ts.createSourceFile('cell.ts', `export {};\n${code}`, ts.ScriptTarget.ES2022, true);
  bindNames(ts, file);
  const names: string[] = [];
  (file as unknown as Scope).locals?.forEach((_, name) => {
    names.push(name);
  });
  return names;
}

/** The statement that declares `name` at the top level, with the comment above it; null where none does. */
export function declarationOf(ts: TypeScript, code: string, name: string): string | null {
  const file = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.ES2022, true);
  const texts = file.statements.map((statement) => statement.getFullText().trim());
  return texts.filter((text) => declaredNames(ts, text).includes(name)).at(-1) ?? null;
}

export type Completeness = { status: 'complete' } | { status: 'invalid' } | { status: 'incomplete'; indent: string };

const UNTERMINATED_TEMPLATE = 1160;
const UNTERMINATED_COMMENT = 1010;
/** "x expected" at the very end: more text can still mend it. */
const EXPECTED_SOMETHING = new Set([1005, 1109, 1126, 1128, 1002]);
const CLOSING = /[)\]}]/;

/** Whether a console client should run the code, ask for another line, or report a syntax error at once. */
export function completeness(ts: TypeScript, code: string): Completeness {
  if (readQuery(code)) return { status: 'complete' };
  const source = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.ESNext, true);
  const errors = (source as unknown as { parseDiagnostics: ParseDiagnostic[] }).parseDiagnostics;
  if (errors.length === 0) return { status: 'complete' };
  const end = code.trimEnd().length;
  const first = errors[0] as ParseDiagnostic;
  // A bracket that nothing has opened: no more text can mend it.
  if (CLOSING.test(code[first.start] ?? '') && first.length > 0) return { status: 'invalid' };
  const isOpen = (error: ParseDiagnostic): boolean =>
    error.start >= end ||
    error.code === UNTERMINATED_TEMPLATE ||
    error.code === UNTERMINATED_COMMENT ||
    (EXPECTED_SOMETHING.has(error.code) && error.start + error.length >= end && error.start >= end - 1);
  return isOpen(first) ? { status: 'incomplete', indent: indentation(code) } : { status: 'invalid' };
}

/** The last line's indentation, two deeper after an opening bracket. */
function indentation(code: string): string {
  const last = code.trimEnd().split('\n').at(-1) ?? '';
  const indent = /^\s*/.exec(last)?.[0] ?? '';
  return /[([{]\s*$/.test(last) ? `${indent}  ` : indent;
}

/** Whether the code waits outside any function. */
export function awaitsAtTop(ts: TypeScript, code: string): boolean {
  if (!/\bawait\b/.test(code)) return false;
  const visit = (node: Node): boolean => {
    if (ts.isFunctionLike(node)) return false;
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true;
    const isUsing =
      ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing;
    return isUsing || (ts.forEachChild(node, visit) ?? false);
  };
  return visit(ts.createSourceFile('cell.ts', code, ts.ScriptTarget.ESNext, true));
}

/** Whether the code reads one of `names` without declaring it, other than as a property's name. */
export function readsAny(ts: TypeScript, code: string, names: readonly string[]): boolean {
  if (!names.some((name) => hasWord(code, name))) return false;
  const read = new Set<string>();
  const declared = new Set<string>();
  const visit = (node: Node): void => {
    if (ts.isIdentifier(node) && names.includes(node.text)) {
      const isName = (node.parent as { name?: Node }).name === node;
      if (!isName || ts.isShorthandPropertyAssignment(node.parent)) read.add(node.text);
      else if (isDeclaration(ts, node.parent)) declared.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('cell.ts', code, ts.ScriptTarget.ESNext, true));
  return [...read].some((name) => !declared.has(name));
}

/** Whether the name stands in the code other than within a longer word. */
function hasWord(code: string, name: string): boolean {
  for (let at = code.indexOf(name); at >= 0; at = code.indexOf(name, at + 1)) {
    if (!isWordCharacter(code[at - 1]) && !isWordCharacter(code[at + name.length])) return true;
  }
  return false;
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_$]/u.test(character);
}

function isDeclaration(ts: TypeScript, node: Node): boolean {
  return (
    ts.isVariableDeclaration(node) ||
    ts.isParameter(node) ||
    ts.isBindingElement(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isImportSpecifier(node) ||
    ts.isImportClause(node) ||
    ts.isNamespaceImport(node)
  );
}

/** Questions that a cell asks as in IPython: `name?` or `?name` for its type and docstring, `??` for its source too. */
export interface Query {
  /** A name, or names with dots between. */
  name: string;
  withSource: boolean;
}

const NAMES = String.raw`[\p{L}_$][\p{L}\p{N}_$]*(?:\.[\p{L}_$][\p{L}\p{N}_$]*)*`;
const QUERY = new RegExp(String.raw`^(\?{1,2})\s*(${NAMES})$|^(${NAMES})\s*(\?{1,2})$`, 'u');

/** The question that the whole cell asks; null where it is code. */
export function readQuery(code: string): Query | null {
  const [, before, after, first, behind] = QUERY.exec(code.trim().replace(/;$/, '')) ?? [];
  const name = after ?? first;
  return name === undefined ? null : { name, withSource: (before ?? behind) === '??' };
}
