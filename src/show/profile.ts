import type { Profile, ProfileStack } from '../engine/index.ts';
import { type Figure, type FigureOptions, figure } from './figure.ts';
import { fitText, ink, seriesColour, svgDocument, svgText, textWidth } from './theme.ts';

export interface ProfileOptions extends FigureOptions {
  /** Width in pixels. @defaultValue 900 */
  width?: number;
}

/** A call with all that it calls in turn. */
interface Frame {
  name: string;
  /** Of the whole frame. */
  ms: number;
  calls: number;
  inner: Frame[];
}

/**
 * Where the time of a function went, as an icicle: the whole on top, below it the kernels by their share, below each
 * what it is made of. The time outside of operations is left blank.
 *
 * @example show.profile(engine.profile(() => step()))
 */
export function profile(measured: Profile, options: ProfileOptions = {}): Figure {
  const top = measured.operations.slice(0, 5).map(({ operation, ms }) => `${operation} ${ms.toFixed(1)} ms`);
  const text = `${measured.wallMs.toFixed(1)} ms: ${top.join(', ')}`;
  return figure(options, { text, svg: () => draw(measured, options) });
}

const [margin, rowHeight, size] = [12, 22, 11];

function draw({ wallMs, stacks }: Profile, { title, width = 900 }: ProfileOptions): string {
  const frames = nested(stacks);
  const inside = frames.reduce((sum, { ms }) => sum + ms, 0);
  const root: Frame = { name: `all, ${wallMs.toFixed(1)} ms`, ms: Math.max(wallMs, inside), calls: 1, inner: frames };
  const top = margin + (title ? 26 : 0);
  const scale = (width - 2 * margin) / root.ms;
  const body = [title ? svgText(title, margin, margin + 12, { size: 14, weight: 'bold' }) : ''];
  let deepest = 0;
  const place = (frame: Frame, x: number, depth: number, colour: string): void => {
    deepest = Math.max(deepest, depth);
    body.push(box(frame, x, top + depth * rowHeight, frame.ms * scale, colour, depth));
    let at = x;
    frame.inner.forEach((inner, i) => {
      place(inner, at, depth + 1, depth === 0 ? seriesColour(i) : colour);
      at += inner.ms * scale;
    });
  };
  place(root, margin, 0, ink.faint);
  return svgDocument(width, top + (deepest + 1) * rowHeight + margin, body.join(''));
}

/** Inner frames are paler than what calls them; the tooltip tells all, the label what fits. */
function box({ name, ms, calls }: Frame, x: number, y: number, width: number, colour: string, depth: number): string {
  const opacity = depth === 0 ? 1 : Math.max(0.25, 0.75 - 0.25 * (depth - 1));
  const tip = `${name}: ${ms.toFixed(2)} ms, ${calls} ${calls === 1 ? 'call' : 'calls'}`;
  const label = fitText(name, width - 8, size);
  const text = textWidth(label, size) <= width - 8 ? svgText(label, x + 4, y + 15, { size }) : '';
  const shape = `x="${x.toFixed(2)}" y="${y}" width="${Math.max(0.3, width - 0.7).toFixed(2)}" height="${rowHeight - 2}"`;
  return `<g><title>${tip}</title><rect ${shape} fill="${colour}" fill-opacity="${opacity}"/>${text}</g>`;
}

/** Chains of calls as a tree, the longest first. */
function nested(stacks: readonly ProfileStack[], depth: number = 0): Frame[] {
  const groups = new Map<string, ProfileStack[]>();
  for (const stack of stacks) {
    const name = stack.path[depth];
    if (name !== undefined) groups.set(name, [...(groups.get(name) ?? []), stack]);
  }
  const frames = [...groups].map(([name, members]): Frame => {
    const own = members.filter(({ path }) => path.length === depth + 1);
    const inner = nested(members, depth + 1);
    const calls = (own.length > 0 ? own : members).reduce((sum, stack) => sum + stack.calls, 0);
    return { name, ms: members.reduce((sum, { ms }) => sum + ms, 0), calls, inner };
  });
  return frames.sort((a, b) => b.ms - a.ms);
}
