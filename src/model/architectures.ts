/** The networks that files of weights are compared with. */
import type { Shapes } from '../nn/index.ts';
import { imageRewardName, imageRewardPresets, imageRewardShapes } from './blip/index.ts';
import { clipOfficialShapes, clipPresets, clipShapes } from './clip/index.ts';
import { dinoPresets, dinoShapes } from './dino/index.ts';
import { qwen2VlName, qwen2VlPresets, qwen2VlRewardShapes } from './qwen2vl/index.ts';
import { raftNames, raftPresets, raftShapes } from './raft/index.ts';
import { umt5Name, umt5Presets, umt5Shapes } from './text/index.ts';
import { vaeOfficialNames, vaePresets, vaeShapes } from './vae/index.ts';
import { officialNames, wanPresets, wanShapes } from './wan/index.ts';

/** A preset beside the received shapes as that architecture names them. */
export interface Architecture {
  readonly architecture: string;
  readonly preset: string;
  readonly wanted: Shapes;
  readonly official: Shapes;
}

/** What {@link architectures} needs to know of a family. */
interface Family<Config> {
  readonly presets: Readonly<Record<string, Config>>;
  readonly shapes: (config: Config, received: Shapes) => Shapes;
  readonly official: (received: Shapes, config: Config) => Shapes;
}

/** Every preset of every architecture, compared with the shapes of a file. */
export function architectures(received: Shapes): Architecture[] {
  const of = <Config>(architecture: string, { presets, shapes, official }: Family<Config>): Architecture[] =>
    Object.entries(presets).map(([preset, config]) => {
      return { architecture, preset, wanted: shapes(config, received), official: official(received, config) };
    });
  return [
    ...of('Wan transformer', { presets: wanPresets, shapes: wanShapes, official: byName(officialNames) }),
    ...of('Wan VAE', { presets: vaePresets, shapes: vaeShapes, official: byName(vaeOfficialNames) }),
    ...of('umT5 encoder', { presets: umt5Presets, shapes: umt5Shapes, official: byName(() => umt5Name) }),
    ...of('ImageReward', {
      presets: imageRewardPresets,
      shapes: imageRewardShapes,
      official: byName(() => imageRewardName),
    }),
    ...of('CLIP', { presets: clipPresets, shapes: (config) => clipShapes(config), official: clipOfficialShapes }),
    ...of('DINO', { presets: dinoPresets, shapes: dinoShapes, official: (shapes) => shapes }),
    ...of('RAFT', { presets: raftPresets, shapes: raftShapes, official: byName(raftNames) }),
    ...of('Qwen2-VL', { presets: qwen2VlPresets, shapes: qwen2VlShapes, official: byName(() => qwen2VlName) }),
  ];
}

/** Shapes under the names that a function of the configuration gives; null leaves a weight out. */
function byName<Config>(names: (config: Config) => (name: string) => string | null): Family<Config>['official'] {
  return (received, config) => {
    const rename = names(config);
    const named = [...received].map(([name, shape]) => [rename(name), shape] as const);
    return new Map(named.filter((entry): entry is [string, readonly number[]] => entry[0] !== null));
  };
}

/** With as many rewards as the file has; without the reward head where the file has none. */
function qwen2VlShapes(config: (typeof qwen2VlPresets)['videoalign'], received: Shapes): Shapes {
  const head = [...received].find(([name]) => name.endsWith('rm_head.weight'));
  const shapes = new Map(qwen2VlRewardShapes(config, head?.[1][0]));
  if (head === undefined) shapes.delete('rm_head.weight');
  return shapes;
}
