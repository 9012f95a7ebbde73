/** What a file of weights holds and which architecture it fits. */
import { extname } from 'node:path';
import { io, model } from '../index.ts';
import { UsageError } from './failure.ts';

interface Entry {
  name: string;
  dtype: string;
  shape: readonly number[];
}

/** A few lines about a .safetensors or PyTorch file. Throws what its reader throws if the file is damaged. */
export async function describeWeights(path: string): Promise<string> {
  const entries = await entriesOf(path);
  const numbers = entries.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const dtypes = [...new Set(entries.map(({ dtype }) => dtype))].join(', ');
  const listed = entries.slice(0, 8).map(({ name, dtype, shape }) => `  ${name} ${dtype} [${shape}]`);
  const more = entries.length > listed.length ? [`  ... and ${entries.length - listed.length} more`] : [];
  return [
    `${path}: ${entries.length} tensors, ${numbers.toLocaleString('en')} numbers, ${dtypes}`,
    `architecture: ${architectureOf(entries)}`,
    ...listed,
    ...more,
  ].join('\n');
}

async function entriesOf(path: string): Promise<Entry[]> {
  if (extname(path) === '.safetensors') {
    const file = await io.openSafetensors(path);
    return file.names().map((name) => ({ name, ...file.info(name) }));
  }
  if (['.pth', '.pt', '.bin', '.ckpt'].includes(extname(path))) {
    const file = await io.openPth(path);
    return file.names().map((name) => {
      const { shape, storage } = file.info(name);
      return { name, shape, dtype: storage.dtype };
    });
  }
  throw new UsageError(`--weights is "${path}": give a .safetensors, .pth, .pt, .bin or .ckpt file`);
}

/** Names that only one architecture has. */
const SIGNATURES: Readonly<Record<string, readonly string[]>> = {
  'Wan VAE': ['encoder.conv1.weight', 'decoder.conv1.weight', 'conv2.weight'],
  'umT5 encoder': ['token_embedding.weight', 'blocks.0.attn.q.weight'],
};

function architectureOf(entries: readonly Entry[]): string {
  const wan = entries.find(({ name }) => /(^|\.)patch_embedding\.weight$/.test(name));
  if (wan) return describeWan(entries, wan);
  const names = entries.map(({ name }) => name);
  const has = (end: string): boolean => names.some((name) => name === end || name.endsWith(`.${end}`));
  const found = Object.entries(SIGNATURES).find(([, ends]) => ends.every(has));
  return found ? found[0] : 'not one that this version knows';
}

/** The preset whose sizes a Wan transformer has, from its first convolution and the number of its blocks. */
function describeWan(entries: readonly Entry[], { name, shape }: Entry): string {
  const prefix = name.slice(0, name.length - 'patch_embedding.weight'.length);
  const inside = entries.filter((entry) => entry.name.startsWith(`${prefix}blocks.`));
  const layers = new Set(inside.map((entry) => entry.name.slice(prefix.length).split('.')[1])).size;
  const [dim] = shape;
  const fits = Object.entries(model.wanPresets).find(
    ([, config]) => config.dim === dim && config.num_layers === layers,
  );
  const under = prefix === '' ? '' : `, under "${prefix.slice(0, -1)}"`;
  return `Wan transformer, dim ${dim}, ${layers} layers (${fits ? `preset ${fits[0]}` : 'no preset'})${under}`;
}
