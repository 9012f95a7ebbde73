/** Shapes of CLIP's weights by OpenAI's names, and checkpoints of transformers brought into that form. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { CheckpointEntries, Shapes, WeightSource } from '../../nn/index.ts';
import { ownTensor } from '../../nn/internal.ts';
import { affineShapes } from '../layers/index.ts';
import type { ClipConfig } from './config.ts';

type Entry = [string, readonly number[]];

/** Shape of every weight by its OpenAI name. */
export function clipShapes(config: ClipConfig): Shapes {
  return new Map([...visionShapes(config), ...(config.towers === 'vision' ? [] : textShapes(config))]);
}

function visionShapes(config: ClipConfig): Entry[] {
  const { vision_width: width, vision_patch_size: patch, embed_dim, image_resolution } = config;
  return [
    ['visual.class_embedding', [width]],
    ['visual.positional_embedding', [Math.floor(image_resolution / patch) ** 2 + 1, width]],
    ['visual.proj', [width, embed_dim]],
    ['visual.conv1.weight', [width, 3, patch, patch]],
    ...affineShapes('visual.ln_pre', width),
    ...blockShapes('visual.', width, config.vision_layers),
    ...affineShapes('visual.ln_post', width),
  ];
}

function textShapes(config: ClipConfig): Entry[] {
  const { transformer_width: width, context_length, vocab_size, embed_dim } = config;
  return [
    ['positional_embedding', [context_length, width]],
    ['text_projection', [width, embed_dim]],
    ['logit_scale', []],
    ...blockShapes('', width, config.transformer_layers),
    ['token_embedding.weight', [vocab_size, width]],
    ...affineShapes('ln_final', width),
  ];
}

function blockShapes(tower: string, width: number, layers: number): Entry[] {
  return Array.from({ length: layers }, (_, i) => `${tower}transformer.resblocks.${i}`).flatMap((block): Entry[] => [
    [`${block}.attn.in_proj_weight`, [3 * width, width]],
    [`${block}.attn.in_proj_bias`, [3 * width]],
    ...affineShapes(`${block}.attn.out_proj`, width, width),
    ...affineShapes(`${block}.ln_1`, width),
    ...affineShapes(`${block}.mlp.c_fc`, 4 * width, width),
    ...affineShapes(`${block}.mlp.c_proj`, width, 4 * width),
    ...affineShapes(`${block}.ln_2`, width),
  ]);
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

/** Shapes of a checkpoint as they are under OpenAI's names: q, k, v joined, projections transposed, sizes left out. */
export function clipOfficialShapes(received: Shapes, config: ClipConfig): Shapes {
  const official = new Map<string, readonly number[]>();
  const read = clipReadName(config);
  for (const [name, shape] of received) {
    const [, part] = /\.self_attn\.([qkv])_proj\./.exec(name) ?? [];
    if (read(clipOpenaiName(name)) === null || (part !== undefined && !isWhole(received, name))) continue;
    const isProjection = /^(visual|text)_projection\.weight$/.test(name);
    const [rows = 1, ...rest] = shape;
    official.set(
      clipOpenaiName(name),
      part !== undefined ? [3 * rows, ...rest] : isProjection ? [...shape].reverse() : shape,
    );
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
      const [, part] = /\.self_attn\.([qkv])_proj\./.exec(name) ?? [];
      if (part !== undefined) {
        const parts = { ...waiting.get(official), [part]: ownTensor(source) };
        waiting.set(official, parts);
        if (Object.keys(parts).length === 3) {
          yield* once(official, () => tf.concat([parts['q']!, parts['k']!, parts['v']!], 0));
          tf.dispose(parts);
          waiting.delete(official);
        }
      } else if (/^(visual|text)_projection\.weight$/.test(name)) {
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
