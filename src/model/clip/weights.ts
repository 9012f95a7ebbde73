/** Sizes of CLIP, shapes of its weights by OpenAI's names, and checkpoints of transformers brought into that form. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { CheckpointEntries, Shapes, WeightSource } from '../../nn/index.ts';
import { ownTensor } from '../../nn/internal.ts';
import { alike, biased, type ShapeTree, shapesIn } from '../layers/layers.ts';

/** Sizes of CLIP, in the names of OpenAI's constructor (clip/model.py, `CLIP`). */
export interface ClipConfig {
  /** Width of the space that both towers project to. */
  readonly embed_dim: number;
  readonly image_resolution: number;
  readonly vision_layers: number;
  readonly vision_width: number;
  readonly vision_patch_size: number;
  /** Heads of the image tower. @defaultValue vision_width / 64, as in the original, which has no such key */
  readonly vision_heads?: number;
  /** Tokens of a text, the start and end tokens included. */
  readonly context_length: number;
  readonly vocab_size: number;
  readonly transformer_width: number;
  readonly transformer_heads: number;
  readonly transformer_layers: number;
  /** What is held: `vision` alone is enough for image features and aesthetic scores. @defaultValue 'both' */
  readonly towers?: 'both' | 'vision';
}

const text = { context_length: 77, vocab_size: 49408, transformer_layers: 12 };
const base = { ...text, embed_dim: 512, image_resolution: 224, transformer_width: 512, transformer_heads: 8 };
const baseVision = { vision_layers: 12, vision_width: 768 };

/** Names of the presets. */
export type ClipPreset = 'vit-b-32' | 'vit-b-16' | 'vit-l-14';

/** Named configurations of OpenAI's published models. */
export const clipPresets: Readonly<Record<ClipPreset, ClipConfig>> = {
  'vit-b-32': { ...base, ...baseVision, vision_patch_size: 32 },
  'vit-b-16': { ...base, ...baseVision, vision_patch_size: 16 },
  'vit-l-14': {
    ...text,
    embed_dim: 768,
    image_resolution: 224,
    vision_layers: 24,
    vision_width: 1024,
    vision_patch_size: 14,
    transformer_width: 768,
    transformer_heads: 12,
  },
};

/** Shape of every weight by its OpenAI name. */
export function clipShapes(config: ClipConfig): Shapes {
  const { vision_width: width, vision_patch_size: patch, embed_dim, image_resolution } = config;
  const { transformer_width: textWidth, context_length, vocab_size } = config;
  const visual = {
    class_embedding: [width],
    positional_embedding: [Math.floor(image_resolution / patch) ** 2 + 1, width],
    proj: [width, embed_dim],
    conv1: { weight: [width, 3, patch, patch] },
    ln_pre: biased(width),
    transformer: blocks(width, config.vision_layers),
    ln_post: biased(width),
  };
  if (config.towers === 'vision') return shapesIn({ visual });
  return shapesIn({
    visual,
    positional_embedding: [context_length, textWidth],
    text_projection: [textWidth, embed_dim],
    logit_scale: [],
    transformer: blocks(textWidth, config.transformer_layers),
    token_embedding: { weight: [vocab_size, textWidth] },
    ln_final: biased(textWidth),
  });
}

function blocks(width: number, layers: number): ShapeTree {
  const attn = { in_proj_weight: [3 * width, width], in_proj_bias: [3 * width], out_proj: biased(width, width) };
  const mlp = { c_fc: biased(4 * width, width), c_proj: biased(width, 4 * width) };
  return { resblocks: alike(layers, { attn, ln_1: biased(width), mlp, ln_2: biased(width) }) };
}

/** The name itself, or null for what the towers of `config` do not read. */
export function clipReadName(config: ClipConfig): (name: string) => string | null {
  const shapes = clipShapes(config);
  const elsewhere = clipShapes({ ...config, towers: 'both' });
  return (name) => (shapes.has(name) || !(elsewhere.has(name) || unused.test(name)) ? name : null);
}

/** Buffers and sizes that checkpoints hold beside the weights. */
const unused = /(^|\.)(position_ids|attn_mask)$|^(input_resolution|context_length|vocab_size)$/;

const moduleNames: readonly (readonly [RegExp, string])[] = [
  [/^vision_model\.encoder\.layers\./, 'visual.transformer.resblocks.'],
  [/^text_model\.encoder\.layers\./, 'transformer.resblocks.'],
  [/^vision_model\.embeddings\.class_embedding$/, 'visual.class_embedding'],
  [/^vision_model\.embeddings\.patch_embedding\./, 'visual.conv1.'],
  [/^vision_model\.embeddings\.position_embedding\.weight$/, 'visual.positional_embedding'],
  [/^vision_model\.pre_layrnorm\./, 'visual.ln_pre.'],
  [/^vision_model\.post_layernorm\./, 'visual.ln_post.'],
  [/^visual_projection\.weight$/, 'visual.proj'],
  [/^text_model\.embeddings\.token_embedding\./, 'token_embedding.'],
  [/^text_model\.embeddings\.position_embedding\.weight$/, 'positional_embedding'],
  [/^text_model\.final_layer_norm\./, 'ln_final.'],
  [/^text_projection\.weight$/, 'text_projection'],
  [/\.self_attn\.out_proj\./, '.attn.out_proj.'],
  [/\.self_attn\.([qkv])_proj\.(weight|bias)$/, '.attn.in_proj_$2'],
  [/\.layer_norm([12])\./, '.ln_$1.'],
  [/\.mlp\.fc1\./, '.mlp.c_fc.'],
  [/\.mlp\.fc2\./, '.mlp.c_proj.'],
];

/** OpenAI's name of a weight that transformers calls `name`; other names come back as they are. */
export function clipOpenaiName(name: string): string {
  return moduleNames.reduce((result, [from, to]) => result.replace(from, to), name);
}

/** Matrices that transformers keeps transposed. */
const projection = /^(visual|text)_projection\.weight$/;

/** Whether a weight is one of queries, keys or values, which OpenAI keeps joined. */
function partOf(name: string): string | undefined {
  return /\.self_attn\.([qkv])_proj\./.exec(name)?.[1];
}

/** Shapes of a checkpoint as they are under OpenAI's names: q, k, v joined, projections transposed, sizes left out. */
export function clipOfficialShapes(received: Shapes, config: ClipConfig): Shapes {
  const official = new Map<string, readonly number[]>();
  const read = clipReadName(config);
  for (const [name, shape] of received) {
    const part = partOf(name);
    if (read(clipOpenaiName(name)) === null || (part !== undefined && !isWhole(received, name))) continue;
    const [rows = 1, ...rest] = shape;
    const projected = projection.test(name) ? [...shape].reverse() : shape;
    official.set(clipOpenaiName(name), part === undefined ? projected : [3 * rows, ...rest]);
  }
  return official;
}

/** Whether a projection's two siblings are there, too. */
function isWhole(received: Shapes, name: string): boolean {
  return ['q', 'k', 'v'].every((part) => received.has(name.replace(/\.[qkv]_proj\./, `.${part}_proj.`)));
}

/** Entries under OpenAI's names: q, k, v joined, projections transposed; those that are so already pass through. */
export async function* openaiEntries(entries: CheckpointEntries): AsyncGenerator<[string, WeightSource]> {
  const waiting = new Map<string, Record<string, Tensor>>();
  try {
    for await (const [name, source] of entries) {
      const official = clipOpenaiName(name);
      const part = partOf(name);
      if (part !== undefined) {
        const parts = { ...waiting.get(official), [part]: ownTensor(source) };
        waiting.set(official, parts);
        if (Object.keys(parts).length === 3) {
          yield* once(official, () => tf.concat([parts['q']!, parts['k']!, parts['v']!], 0));
          tf.dispose(parts);
          waiting.delete(official);
        }
      } else if (projection.test(name)) {
        yield* once(official, () => tf.transpose(ownTensor(source)));
      } else yield [official, source];
    }
  } finally {
    tf.dispose([...waiting.values()]);
  }
}

/** A tensor that lives until the next entry is asked for. */
function* once(name: string, make: () => Tensor): Generator<[string, WeightSource]> {
  const made = tf.tidy(make);
  try {
    yield [name, made];
  } finally {
    made.dispose();
  }
}
