/** What is known of a name, as text and as Markdown. */
import type { QuickInfo, JSDocTagInfo as TagInfo } from 'typescript';
import type { MimeData } from '../bridge.ts';

/** Type and documentation of a name. */
export interface Hover {
  signature: string;
  /** The docstring with its tags; empty where there is none. */
  documentation: string;
}

/** All that TypeScript says of a name that it cannot resolve, as a value and as a type. */
const UNRESOLVED = /^any$|\/\*unresolved\*\/ any$/;
/** An import is told apart from what it imports: readers of a notebook want the latter. */
const ALIAS = /^\(alias\) |\n(?:export|import) [^\n]*$/gm;
const NAMESPACE = /^import ([\w$]+)$/;

/** Reads TypeScript's answer; null where it knows nothing. */
export function readHover(info: QuickInfo | undefined): Hover | null {
  const text = join(info?.displayParts);
  if (!info || UNRESOLVED.test(text)) return null;
  const signature = text.replace(ALIAS, '').replace(NAMESPACE, 'namespace $1');
  const documentation = [join(info.documentation), ...(info.tags ?? []).map(tag)].filter((part) => part !== '');
  return { signature, documentation: documentation.join('\n\n') };
}

/** The forms that front ends choose from; `source` comes last. */
export function hoverBundle({ signature, documentation }: Hover, source = ''): MimeData {
  const code = [signature, source].map((text) => (text === '' ? '' : `\`\`\`typescript\n${text}\n\`\`\``));
  const given = (parts: string[]): string => parts.filter((part) => part !== '').join('\n\n');
  return {
    'text/plain': given([signature, documentation, source]),
    'text/markdown': given([code[0] ?? '', documentation, code[1] ?? '']),
  };
}

/** `@param x what it is` on a line of its own; tags that only other tools read have no text of this kind. */
function tag({ name, text }: TagInfo): string {
  const content = join(text);
  return content === '' || content.startsWith('{') ? '' : `@${name} ${content}`;
}

function join(parts: readonly { text: string }[] | undefined): string {
  return (parts ?? []).map(({ text }) => text).join('');
}
