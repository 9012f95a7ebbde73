import { escapeHtml } from '../display/index.ts';
import { elementCount } from '../io/internal.ts';

/** How a notebook shows weights: a tree of their names with shapes, types and sizes. */

/** One weight as it is listed. */
export interface ListedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

interface Branch {
  branches: Map<string, Branch>;
  leaves: { label: string; weight: ListedWeight }[];
  parameters: number;
}

const UNITS = ['KiB', 'MiB', 'GiB'] as const;

/** Lines of the text: the rest is counted. */
const TEXT_LINES = 40;

/** The bundle of weights: a collapsible tree, and as text its upper part. */
export function weightsBundle(weights: readonly ListedWeight[]): Record<string, string> {
  const root = treeOf(weights);
  const title = `Weights · ${weights.length} ${weights.length === 1 ? 'tensor' : 'tensors'} · ${root.parameters.toLocaleString('en')} parameters · ${bytesOf(weights)}`;
  const lines = textLines(root);
  const rest = lines.length > TEXT_LINES ? [`… ${lines.length - TEXT_LINES} more`] : [];
  return {
    'text/html': `<details open><summary><b>${title}</b></summary>${htmlOf(root)}</details>`,
    'text/plain': [title, ...lines.slice(0, TEXT_LINES), ...rest].join('\n'),
  };
}

function treeOf(weights: readonly ListedWeight[]): Branch {
  const root = newBranch();
  for (const weight of weights) {
    const path = weight.name.split('.');
    const label = path.pop() ?? '';
    const parameters = elementCount(weight.shape);
    let branch = root;
    branch.parameters += parameters;
    for (const part of path) {
      const next = branch.branches.get(part) ?? newBranch();
      branch.branches.set(part, next);
      branch = next;
      branch.parameters += parameters;
    }
    branch.leaves.push({ label, weight });
  }
  return root;
}

function newBranch(): Branch {
  return { branches: new Map(), leaves: [], parameters: 0 };
}

function describe({ shape, dtype }: ListedWeight): string {
  return `[${shape.join(', ')}] ${dtype}`;
}

/** Variables hold four bytes an element, truth values one. */
function bytesOf(weights: readonly ListedWeight[]): string {
  const bytes = weights.reduce((sum, { shape, dtype }) => sum + (dtype === 'bool' ? 1 : 4) * elementCount(shape), 0);
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power - 1]}`;
}

function textLines(branch: Branch, indent = '  '): string[] {
  const leaves = branch.leaves.map(({ label, weight }) => `${indent}${label} ${describe(weight)}`);
  const below = [...branch.branches].flatMap(([name, next]) => [
    `${indent}${name} (${next.parameters.toLocaleString('en')})`,
    ...textLines(next, `${indent}  `),
  ]);
  return [...leaves, ...below];
}

function htmlOf(branch: Branch): string {
  const leaves = branch.leaves.map(
    ({ label, weight }) => `<div><code>${escapeHtml(label)}</code> ${escapeHtml(describe(weight))}</div>`,
  );
  const below = [...branch.branches].map(([name, next]) => {
    const summary = `<summary><code>${escapeHtml(name)}</code> · ${next.parameters.toLocaleString('en')}</summary>`;
    return `<details>${summary}${htmlOf(next)}</details>`;
  });
  return `<div style="margin-left:1.5em">${[...leaves, ...below].join('')}</div>`;
}
