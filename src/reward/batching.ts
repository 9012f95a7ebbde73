import { type Tensor, tf } from '../engine/tf.ts';
import { sameShape } from '../nn/index.ts';
import { createReward, type Reward } from './contract.ts';

/** The same reward, computed on at most `size` inputs at a time: less memory for long batches, equal scores. */
export function batched(reward: Reward, size: number): Reward {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`size: wanted an integer >= 1, received ${size}`);
  return createReward({
    ...parts(reward),
    compute: (frames, text) => {
      const count = frames.shape[0]!;
      if (count <= size) return reward.compute(frames, text);
      const scores: Tensor[] = [];
      for (let at = 0; at < count; at += size) {
        const rows = (x: Tensor): Tensor => tf.slice(x, at, Math.min(size, count - at));
        scores.push(reward.compute(rows(frames), text.map(rows)));
      }
      return tf.concat(scores);
    },
  });
}

/** Dials of `cachedText`. */
export interface CachedTextOptions {
  /** Prompts that are remembered; the one unused for longest makes room. @defaultValue 1024 */
  capacity?: number;
}

/**
 * The same reward, whose `encode` remembers prompts: for rewards that read text by a network of its own, such as
 * `clipScore`. Where prompts become tensors of different lengths (VideoAlign) a mixed batch is encoded anew.
 *
 * @throws Error for a reward on random frames, whose `encode` draws them: cache the reward inside of `frameSelect`.
 */
export function cachedText(reward: Reward, { capacity = 1024 }: CachedTextOptions = {}): Reward {
  if (reward.info.drawsInEncode) {
    throw new Error(`${reward.info.id} draws frames when it encodes; use frameSelect(cachedText(reward), 'random')`);
  }
  const known = new Map<string, Tensor[]>();
  const recall = (prompt: string): Tensor[] => {
    const rows = known.get(prompt) ?? reward.encode([prompt]).map((row) => tf.keep(row));
    known.delete(prompt);
    known.set(prompt, rows);
    return rows;
  };
  return createReward({
    ...parts(reward),
    encode: (prompts) => {
      const rows = prompts.map(recall);
      const joined = join(rows) ?? reward.encode(prompts);
      for (const prompt of [...known.keys()].slice(0, Math.max(0, known.size - capacity))) {
        tf.dispose(known.get(prompt)!);
        known.delete(prompt);
      }
      return joined;
    },
    compute: (frames, text) => reward.compute(frames, text),
    dispose: () => {
      tf.dispose([...known.values()].flat());
      known.clear();
      reward.dispose();
    },
  });
}

/** Rows of each prompt as tensors of the whole batch; null where their lengths differ. */
function join(rows: readonly Tensor[][]): Tensor[] | null {
  const [first = []] = rows;
  const fits = rows.every((row) => row.every(({ shape }, i) => sameShape(shape, first[i]!.shape)));
  if (!fits) return null;
  return first.map((row, i) =>
    rows.length === 1
      ? tf.clone(row)
      : tf.concat(
          rows.map((each) => each[i]!),
          0,
        ),
  );
}

function parts({
  info,
  textInputs,
  encode,
  dispose,
}: Reward): Pick<Reward, 'info' | 'textInputs' | 'encode' | 'dispose'> {
  return { info, textInputs, encode, dispose };
}
