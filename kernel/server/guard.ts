/**
 * Makes awaits in a cell interruptible: `await x` becomes `await __await__(x, place)`, and the iterable of
 * `for await` goes through `__each__`. An interrupt then throws inside the user's own code, so that loops end and
 * `finally` blocks run, where otherwise a training loop would go on unseen behind the next cell.
 */
import MagicString from 'magic-string';
import type { TypeScript } from './syntax.ts';

type Node = import('@tslab/typescript-for-tslab').Node;
type SourceFile = import('@tslab/typescript-for-tslab').SourceFile;

export interface GuardedCode {
  code: string;
  /** Source map from the guarded code to the code that was given. */
  map: string;
}

/**
 * The guarded form of a cell's JavaScript; null when it awaits nothing. `place` names a line and column of `code`
 * (from 1 and 0) in the cell: it completes stack traces, which end at a guard.
 */
export function guardAwaits(
  ts: TypeScript,
  code: string,
  place: (line: number, column: number) => string,
): GuardedCode | null {
  if (!/\bawait\b/.test(code)) return null;
  const source = ts.createSourceFile('cell.js', code, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  const edited = new MagicString(code);
  let count = 0;
  const placeOf = (node: Node): string => {
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source));
    return place(line + 1, character);
  };
  const visit = (node: Node): void => {
    if (ts.isAwaitExpression(node)) {
      wrap(edited, source, node.expression, '__await__', placeOf(node));
      count++;
    } else if (ts.isForOfStatement(node) && node.awaitModifier) {
      wrap(edited, source, node.expression, '__each__', placeOf(node));
      count++;
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  if (count === 0) return null;
  return { code: edited.toString(), map: edited.generateMap({ hires: true }).toString() };
}

function wrap(edited: MagicString, source: SourceFile, expression: Node, name: string, at: string): void {
  edited.appendRight(expression.getStart(source), `${name}(`);
  edited.appendLeft(expression.getEnd(), `, ${JSON.stringify(at)})`);
}
