/** Files of low-rank changes, told from files of networks by the names of their tensors. */
import type { Shapes } from './shapes.ts';

/** What a file of a LoRA holds. */
export interface LoraDescription {
  /** Smallest and largest rank of its changes, the same number where all have one. */
  readonly ranks: readonly [number, number];
  /** Modules that it changes, as the file names them. */
  readonly targets: readonly string[];
}

const down = /^(.*?)\.(?:lora_A|lora_down)(?:\.\w+)?(?:\.weight)?$/;
const other = /\.(?:lora_B|lora_up)(?:\.\w+)?(?:\.weight)?$|\.(?:alpha|diff|diff_b|dora_scale)$/;

/**
 * What a LoRA changes and by which rank; null for the weights of a network, also of one whose factors lie beside them.
 *
 * @example loraOf(new Map([['blocks.0.self_attn.q.lora_A.weight', [4, 64]], ['blocks.0.self_attn.q.lora_B.weight', [64, 4]]]))
 */
export function loraOf(shapes: Shapes): LoraDescription | null {
  const ranks: number[] = [];
  const targets: string[] = [];
  let others = 0;
  for (const [name, shape] of shapes) {
    const target = down.exec(name)?.[1];
    if (target !== undefined) {
      ranks.push(shape[0] ?? 1);
      targets.push(target);
    } else if (!other.test(name)) others++;
  }
  if (targets.length === 0 || others > targets.length) return null;
  return { ranks: [Math.min(...ranks), Math.max(...ranks)], targets };
}

/** A LoRA in words, with what to do about it. */
export function loraText({ ranks: [least, most], targets }: LoraDescription): string {
  const rank = least === most ? `rank ${least}` : `ranks ${least} to ${most}`;
  const some = `${targets.slice(0, 3).join(', ')}${targets.length > 3 ? ', ...' : ''}`;
  return (
    `a LoRA of ${rank} on ${targets.length} modules (${some}): it changes a network and is none itself; open the ` +
    'network that it was trained on, or one into which it was merged'
  );
}
