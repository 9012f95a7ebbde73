/** How a notebook shows weights: a tree of their names with shapes, types and sizes. */
import { escapeHtml } from '../display/index.ts';
import { elementCount } from '../io/internal.ts';

/** One weight as it is listed. */
export type ListedWeight = readonly [name: string, { readonly shape: readonly number[]; readonly dtype: string }];

interface Branch {
  branches: Map<string, Branch>;
  /** Label and description of each weight. */
  leaves: [label: string, text: string][];
  parameters: number;
}

/** Lines of the text: the rest is counted. */
const TEXT_LINES = 40;

/** The bundle of weights: a collapsible tree, and as text its upper part. */
export function weightsBundle(weights: readonly ListedWeight[]): Record<string, string> {
  const root = treeOf(weights);
  const count = `${weights.length} ${weights.length === 1 ? 'tensor' : 'tensors'}`;
  const title = `Weights · ${count} · ${counted(root)} parameters · ${bytesOf(weights)}`;
  const lines = textLines(root);
  const rest = lines.length > TEXT_LINES ? [`… ${lines.length - TEXT_LINES} more`] : [];
  return {
    'text/html': `<details open><summary><b>${title}</b></summary>${htmlOf(root)}</details>`,
    'text/plain': [title, ...lines.slice(0, TEXT_LINES), ...rest].join('\n'),
  };
}

function treeOf(weights: readonly ListedWeight[]): Branch {
  const root: Branch = { branches: new Map(), leaves: [], parameters: 0 };
  for (const [name, { shape, dtype }] of weights) {
    const path = name.split('.');
    const label = path.pop() ?? '';
    let branch = root;
    branch.parameters += elementCount(shape);
    for (const part of path) {
      const next = branch.branches.get(part) ?? { branches: new Map(), leaves: [], parameters: 0 };
      branch.branches.set(part, next);
      branch = next;
      branch.parameters += elementCount(shape);
    }
    branch.leaves.push([label, `[${shape.join(', ')}] ${dtype}`]);
  }
  return root;
}

function counted({ parameters }: Branch): string {
  return parameters.toLocaleString('en');
}

/** Variables hold four bytes an element, truth values one. */
function bytesOf(weights: readonly ListedWeight[]): string {
  const bytes = weights.reduce(
    (sum, [, { shape, dtype }]) => sum + (dtype === 'bool' ? 1 : 4) * elementCount(shape),
    0,
  );
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 3);
  return `${(bytes / 1024 ** power).toFixed(1)} ${['KiB', 'MiB', 'GiB'][power - 1]}`;
}

function textLines(branch: Branch, indent: string = '  '): string[] {
  const below = [...branch.branches].flatMap(([name, next]) => [
    `${indent}${name} (${counted(next)})`,
    ...textLines(next, `${indent}  `),
  ]);
  return [...branch.leaves.map(([label, text]) => `${indent}${label} ${text}`), ...below];
}

function htmlOf(branch: Branch): string {
  const code = (text: string): string => `<code>${escapeHtml(text)}</code>`;
  const leaves = branch.leaves.map(([label, text]) => `<div>${code(label)} ${escapeHtml(text)}</div>`);
  const below = [...branch.branches].map(([name, next]) => {
    return `<details><summary>${code(name)} · ${counted(next)}</summary>${htmlOf(next)}</details>`;
  });
  return `<div style="margin-left:1.5em">${[...leaves, ...below].join('')}</div>`;
}
