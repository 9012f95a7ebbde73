/**
 * The compiler of cells. tslab's converter was written for a fork of TypeScript 5.0, of which it takes five functions
 * that TypeScript itself does not have under these names: with them, the newest compiler stands in the fork's place.
 */

import { createRequire } from 'node:module';
import type {
  Node,
  QuickInfo,
  ScriptElementKind,
  SourceFile,
  SymbolDisplayPart,
  Symbol as TsSymbol,
  Type,
  TypeChecker,
} from 'typescript';

export type TypeScript = typeof import('typescript');

/** By `require`: an import would first look through all of its nine megabytes for the names of exports. */
export function loadTypeScript(): TypeScript {
  return createRequire(import.meta.url)('typescript') as TypeScript;
}

/** What the language service's own answers are made of. TypeScript does not declare these members. */
interface Internals {
  nullTransformationContext: unknown;
  getTouchingPropertyName(file: SourceFile, position: number): Node;
  getContainerNode(node: Node): Node | undefined;
  typeToDisplayParts(checker: TypeChecker, type: Type, container: Node | undefined): SymbolDisplayPart[];
  Completions: { getCompletionsAtPosition: unknown };
  SymbolDisplay: {
    getSymbolDisplayPartsDocumentationAndSymbolKind(
      checker: TypeChecker,
      symbol: TsSymbol,
      file: SourceFile,
      container: Node | undefined,
      node: Node,
    ): Shown & { symbolKind: ScriptElementKind };
  };
}

type Shown = Pick<QuickInfo, 'displayParts' | 'documentation' | 'tags'>;

/** The compiler with what the fork adds. */
export function asFork(ts: TypeScript): Record<string, unknown> {
  const { Completions, nullTransformationContext } = ts as unknown as Internals;
  return {
    ...ts,
    Completions: { ...Completions, getCompletionsAtPositionForTslab: Completions.getCompletionsAtPosition },
    getNullTransformationContext: () => nullTransformationContext,
    getDefaultTypeRoots: (folder: string) => ts.getEffectiveTypeRoots({}, { getCurrentDirectory: () => folder }) ?? [],
    getQuickInfoAtPosition: (file: SourceFile, checker: TypeChecker, _: unknown, position: number) =>
      quickInfoAt(ts, file, checker, position),
  };
}

/** What is known of the name at a position. */
function quickInfoAt(ts: TypeScript, file: SourceFile, checker: TypeChecker, position: number): QuickInfo | undefined {
  const { getTouchingPropertyName, getContainerNode, typeToDisplayParts, SymbolDisplay } = ts as unknown as Internals;
  const node = getTouchingPropertyName(file, position);
  if (node === file) return undefined;
  const textSpan = { start: node.getStart(file), length: node.getWidth(file) };
  const given = { textSpan, kind: ts.ScriptElementKind.unknown, kindModifiers: '' };
  const symbol = checker.getSymbolAtLocation(node);
  if (symbol) {
    const { getSymbolDisplayPartsDocumentationAndSymbolKind: describe } = SymbolDisplay;
    const { symbolKind: kind, ...shown } = describe(checker, symbol, file, getContainerNode(node), node);
    return { ...given, ...shown, kind };
  }
  if (!ts.isIdentifier(node) && node.kind !== ts.SyntaxKind.ThisKeyword) return undefined;
  return {
    ...given,
    displayParts: typeToDisplayParts(checker, checker.getTypeAtLocation(node), getContainerNode(node)),
  };
}
