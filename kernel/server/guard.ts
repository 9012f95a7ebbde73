/**
 * What is changed in a cell's JavaScript between the converter and the executor.
 *
 * Makes awaits in a cell interruptible: `await x` becomes `await __await__(x, place)`, and the iterable of
 * `for await` goes through `__each__`. An interrupt then throws inside the user's own code, so that loops end and
 * `finally` blocks run, where otherwise a training loop would go on unseen behind the next cell.
 *
 * An await in a `finally` block may finish: `await __finally__(__enter__(), x, place)`.
 *
 * Reads `import.meta` as `__meta__`: cells run as scripts, in which the former is a syntax error.
 *
 * Completes `{ name }` to `{ name: exports.name }` where an earlier cell declared the name: the converter rewrites all
 * other uses of such names and misses this one.
 */

import MagicString from 'magic-string';
import type { Node, SourceFile } from 'typescript';
import { bindNames, type Scope } from './syntax.ts';
import type { TypeScript } from './typescript.ts';

export interface GuardedCode {
  code: string;
  /** Source map from the guarded code to the code that was given. */
  map: string;
}

/** What is known about the cell's surroundings. */
export interface Surroundings {
  /** Names the place of a line and column (from 1 and 0): it completes stack traces, which end at a guard. */
  place(line: number, column: number): string;
  /** Names that earlier cells declared; asked for when the code may need them. */
  earlier(): ReadonlySet<string>;
}

/** A name between a brace or comma and another; the last is not taken, as it may begin the next. */
const MAY_BE_SHORTHAND = /[{,]\s*([A-Za-z_$][\w$]*)\s*(?=[,}=])/g;

/** The guarded form of a cell's JavaScript; null where nothing has to change. */
export function guardCell(ts: TypeScript, code: string, { place, earlier }: Surroundings): GuardedCode | null {
  const hasKeywords = /\bawait\b|\bimport\s*\.\s*meta\b/.test(code);
  const shorthands = [...code.matchAll(MAY_BE_SHORTHAND)].map(([, name = '']) => name);
  const taken = shorthands.length > 0 ? earlier() : new Set<string>();
  const names = new Set(shorthands.filter((name) => taken.has(name)));
  if (!hasKeywords && names.size === 0) return null;
  const source = ts.createSourceFile('cell.js', code, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  bindNames(ts, source);
  const edited = new MagicString(code);
  const placeOf = (node: Node): string => {
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source));
    return place(line + 1, character);
  };
  const visit = (node: Node): void => {
    if (ts.isAwaitExpression(node)) {
      const guard = isInFinally(ts, node) ? '__finally__(__enter__(), ' : '__await__(';
      wrap(edited, source, node.expression, guard, placeOf(node));
    } else if (ts.isForOfStatement(node) && node.awaitModifier) {
      wrap(edited, source, node.expression, '__each__(', placeOf(node));
    } else if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) {
      edited.update(node.getStart(source), node.getEnd(), '__meta__');
    } else if (ts.isShorthandPropertyAssignment(node) && names.has(node.name.text) && !isLocal(node, node.name.text)) {
      edited.appendLeft(node.name.getEnd(), `: exports.${node.name.text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  if (!edited.hasChanged()) return null;
  return { code: edited.toString(), map: edited.generateMap({ hires: true }).toString() };
}

/** Whether the await belongs to a `finally` block, which may finish what it does. */
function isInFinally(ts: TypeScript, node: Node): boolean {
  for (let inner = node; inner.parent && !ts.isFunctionLike(inner.parent); inner = inner.parent) {
    if (ts.isTryStatement(inner.parent) && inner.parent.finallyBlock === inner) return true;
  }
  return false;
}

/** Whether a scope around `node` declares `name`. */
function isLocal(node: Node, name: string): boolean {
  for (let scope: Node | undefined = node; scope; scope = scope.parent) {
    if ((scope as unknown as Scope).locals?.has(name)) return true;
  }
  return false;
}

function wrap(edited: MagicString, source: SourceFile, expression: Node, guard: string, at: string): void {
  edited.appendRight(expression.getStart(source), guard);
  edited.appendLeft(expression.getEnd(), `, ${JSON.stringify(at)})`);
}
